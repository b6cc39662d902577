"""When sockets fail too often it is told once, and once when it is over."""

from realtime.failure_watch import FailureWatch, failure_totals
from realtime.health import Health


def test_more_failures_than_allowed_are_told_once() -> None:
    watch = FailureWatch(10)
    assert watch.observe({}, 0) is None
    assert watch.observe({"broke off": 10}, 1) is None
    told = watch.observe({"broke off": 11}, 2)
    assert told is not None and told.is_failing and told.count == 11
    assert watch.observe({"broke off": 500}, 3) is None


def test_the_end_is_told_once_and_only_when_half_as_many_fail() -> None:
    watch = FailureWatch(10)
    watch.observe({}, 0)
    watch.observe({"broke off": 20}, 10)
    assert watch.observe({"broke off": 26}, 70) is None
    assert watch.observe({"broke off": 27}, 71) is None, "7 in a minute is too near to the threshold"
    over = watch.observe({"broke off": 27}, 131)
    assert over is not None and not over.is_failing and over.count <= 5
    assert watch.observe({"broke off": 27}, 132) is None


def test_failures_from_before_the_watch_do_not_count() -> None:
    watch = FailureWatch(10)
    assert watch.observe({"broke off": 5000}, 0) is None
    assert watch.observe({"broke off": 5005}, 1) is None
    assert watch.failures.count == 5


def test_failures_older_than_a_minute_do_not_count() -> None:
    watch = FailureWatch(10)
    watch.observe({}, 0)
    watch.observe({"broke off": 9}, 1)
    assert watch.observe({"broke off": 18}, 61.5) is None
    assert watch.failures.count == 9


def test_a_threshold_of_one_ends_when_nothing_fails() -> None:
    watch = FailureWatch(1)
    watch.observe({}, 0)
    assert watch.observe({"too slow": 2}, 1) is not None
    over = watch.observe({"too slow": 2}, 62)
    assert over is not None and over.reason == "none in the last minute"


def test_the_reason_names_the_causes_most_frequent_first() -> None:
    watch = FailureWatch(3)
    watch.observe({}, 0)
    told = watch.observe({"too slow": 1, "broke off": 31, "refused: foreign origin": 14}, 1)
    assert told is not None and told.reason == "31 broke off, 14 refused: foreign origin, 1 too slow"


def test_pages_that_are_left_are_no_failures() -> None:
    health = Health()
    health.closed_by_code.update({1000: 8, 1001: 40, 4009: 2, 4200: 3})
    assert failure_totals(health.snapshot()) == {}


def test_sockets_that_broke_off_fell_silent_were_slow_or_refused_are_failures() -> None:
    health = Health()
    health.closed_by_code.update({1006: 4, 4201: 3, 1011: 2})
    health.slow_closed = 5
    health.reject("foreign origin")
    assert failure_totals(health.snapshot()) == {
        "broke off": 4,
        "fell silent": 3,
        "closed by an error": 2,
        "too slow": 5,
        "refused: foreign origin": 1,
    }
