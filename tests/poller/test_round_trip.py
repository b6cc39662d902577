"""Time-outs that follow round trips: pure, no clock."""

import pytest

from poller.round_trip import LinkTimes, RoundTrip


def after(*round_trips_ms: float, times: LinkTimes | None = None) -> RoundTrip:
    """A link that has answered in these times."""
    link = RoundTrip(times or LinkTimes())
    for round_trip_ms in round_trips_ms:
        link.replied(round_trip_ms)
    return link


def test_a_link_that_never_answered_waits_the_first_time_out() -> None:
    assert (after().smoothed_ms, after().timeout_s(True), after().timeout_s(False)) == (None, 5.0, 5.0)


@pytest.mark.parametrize(
    ("round_trip_ms", "timeout_s"),
    [
        pytest.param(2.0, 1.5, id="a fast link is given the shortest"),
        pytest.param(375.0, 1.5, id="just the shortest"),
        pytest.param(1000.0, 4.0, id="four round trips"),
        pytest.param(7500.0, 30.0, id="just the longest"),
        pytest.param(20000.0, 30.0, id="a slow link is given the longest"),
    ],
)
def test_a_request_waits_four_round_trips_within_limits(round_trip_ms: float, timeout_s: float) -> None:
    assert after(round_trip_ms).timeout_s(False) == pytest.approx(timeout_s)


def test_an_eighth_of_each_round_trip_is_taken() -> None:
    assert after(800.0, 1600.0).smoothed_ms == pytest.approx(900.0)


def test_a_late_reply_is_adopted_at_once() -> None:
    link = after(100.0)
    link.replied_late(4000.0)
    assert (link.smoothed_ms, link.timeout_s(False)) == (4000.0, 16.0)


def test_a_late_reply_never_shortens_a_time_out() -> None:
    link = after(6000.0)
    link.replied_late(5000.0)
    assert link.smoothed_ms == pytest.approx(5875.0)


def test_a_link_that_is_fast_again_is_believed_by_and_by() -> None:
    link = after(100.0)
    link.replied_late(4000.0)
    for _ in range(40):
        link.replied(100.0)
    assert link.timeout_s(False) == 1.5


def test_the_first_request_is_never_given_less_than_the_others() -> None:
    assert (after(3000.0).timeout_s(True), after(3000.0).timeout_s(False)) == (12.0, 12.0)


def test_a_connections_first_request_is_given_the_first_time_out_on_a_fast_link() -> None:
    assert after(50.0).timeout_s(True) == 5.0


def timeouts_s(link: RoundTrip, silences: int) -> list[float]:
    """The first time-outs of so many requests that nothing answers."""
    waited = []
    for _ in range(silences):
        waited.append(link.timeout_s(True))
        link.timed_out()
    return waited


def test_a_silent_link_is_given_twice_the_time_again_and_again() -> None:
    assert timeouts_s(after(), 8) == [5.0, 5.0, 5.0, 10.0, 20.0, 30.0, 30.0, 30.0]


def test_one_dead_unit_among_answering_ones_does_not_lengthen_the_time_outs() -> None:
    link = after(50.0)
    for _ in range(50):
        link.timed_out()
        link.replied(50.0)
    assert (link.timeout_s(True), link.timeout_s(False)) == (5.0, 1.5)


@pytest.mark.parametrize("heard", ["replied", "late", "gateway"])
def test_the_first_answer_ends_the_silence(heard: str) -> None:
    link = after(50.0)
    timeouts_s(link, 5)
    {
        "replied": lambda: link.replied(50.0),
        "late": lambda: link.replied_late(60.0),
        "gateway": link.gateway_answered,
    }[heard]()
    assert link.timeout_s(True) == 5.0


def test_how_long_a_gateway_waited_for_a_dead_meter_is_no_round_trip() -> None:
    link = after(50.0)
    link.gateway_answered()
    assert link.smoothed_ms == 50.0


def test_a_silence_of_years_is_still_a_number() -> None:
    link = after()
    timeouts_s(link, 5000)
    assert link.timeout_s(True) == 30.0


def test_a_first_time_out_above_the_longest_is_kept() -> None:
    link = after(times=LinkTimes(first_s=60.0, longest_s=30.0))
    assert timeouts_s(link, 5) == [60.0] * 5


def test_an_operators_times_are_obeyed() -> None:
    link = after(10.0, times=LinkTimes(first_s=2.0, shortest_s=0.2, longest_s=0.8))
    assert (link.timeout_s(True), link.timeout_s(False)) == (2.0, 0.2)
    assert after(900.0, times=LinkTimes(longest_s=2.0)).timeout_s(False) == 2.0
