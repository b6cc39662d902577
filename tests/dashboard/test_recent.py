"""One answer for many who ask at the same time."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from dashboard.recent import Recent


def test_an_answer_is_repeated_until_it_is_too_old() -> None:
    now_s, numbers, answers = [0.0], count(1), []
    recent: Recent[str, int] = Recent(lambda _: next(numbers), max_age_s=0.9, clock=lambda: now_s[0])
    for moment_s in (0.0, 0.9, 0.91, 1.5):
        now_s[0] = moment_s
        answers.append(recent("all"))
    assert answers == [1, 1, 2, 2]


def test_who_comes_meanwhile_waits_for_the_same_answer() -> None:
    begun, go_on, asked = threading.Event(), threading.Event(), []

    def ask(_: str) -> int:
        asked.append(1)
        begun.set()
        go_on.wait(5)
        return len(asked)

    recent = Recent(ask, max_age_s=60)
    with ThreadPoolExecutor(8) as threads:
        answers = [threads.submit(recent, "all") for _ in range(8)]
        begun.wait(5)
        go_on.set()
        assert [answer.result(5) for answer in answers] == [1] * 8


def test_an_error_is_not_kept() -> None:
    tries = count(1)

    def ask(_: str) -> int:
        if next(tries) == 1:
            raise ValueError("away")
        return 7

    recent = Recent(ask, max_age_s=60)
    with pytest.raises(ValueError, match="away"):
        recent("all")
    assert recent("all") == 7


def test_each_question_has_an_answer_of_its_own() -> None:
    recent = Recent(str.upper, max_age_s=60)
    assert [recent(question) for question in ("north", "south", "north")] == ["NORTH", "SOUTH", "NORTH"]
