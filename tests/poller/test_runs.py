"""Counting polls: done, held back, missed."""

from poller.runs import Runs

HOUR_S = 3600.0


def run_for(runs: Runs, seconds: float, *, from_s: float = 0.0, without: tuple[int, ...] = ()) -> None:
    """Poll every 5 s with a little jitter, leaving some out."""
    for turn in range(int(seconds / 5)):
        if turn not in without:
            runs.begin(from_s + turn * 5 + 0.01 * (turn % 7))
            runs.finish()


def test_an_hour_with_two_runs_left_out_says_expected_720_done_718() -> None:
    runs = Runs(5.0)
    run_for(runs, HOUR_S, without=(100, 300))
    assert (runs.expected, runs.done, runs.missed) == (720, 718, 2)


def test_what_was_missed_is_told_with_the_next_poll_and_once() -> None:
    runs = Runs(5.0)
    told = []
    for now_s in (0.0, 5.0, 25.0, 30.0):
        runs.begin(now_s)
        told.append(runs.finish())
    assert told == [(0, 0), (0, 0), (3, 0), (0, 0)]


def test_a_run_held_back_is_not_missed() -> None:
    runs = Runs(5.0)
    runs.begin(0.0)
    runs.finish()
    for now_s in (5.0, 10.0):
        runs.begin(now_s)
        runs.hold()
    runs.begin(15.0)
    assert runs.finish() == (0, 2)
    assert (runs.expected, runs.missed, runs.held) == (4, 0, 2)


def test_a_suspended_machine_misses_what_was_due() -> None:
    runs = Runs(5.0)
    runs.begin(0.0)
    runs.finish()
    runs.begin(8 * HOUR_S)
    assert runs.finish() == (8 * 720 - 1, 0)


def test_what_was_due_while_the_program_was_down_is_missed() -> None:
    runs = Runs(5.0, last_run_s=-60.0)
    runs.begin(0.0)
    assert runs.finish() == (11, 0)


def test_the_first_poll_of_all_has_missed_nothing() -> None:
    runs = Runs(5.0)
    runs.begin(1000.0)
    assert runs.finish() == (0, 0)
