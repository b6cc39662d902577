"""One answer for many who ask the same at the same time: every open page asks at each change of status."""

import threading
from collections.abc import Callable, Hashable
from time import monotonic
from typing import Generic, TypeVar

Question = TypeVar("Question", bound=Hashable)
Answer = TypeVar("Answer")


class Recent(Generic[Question, Answer]):
    """Asks once and repeats the answer for `max_age_s`; who comes while it is being found waits for it.

    An error is not kept: it is raised for the one who asked, and the next one asks again.
    """

    def __init__(
        self, ask: Callable[[Question], Answer], max_age_s: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self._ask = ask
        self._max_age_s = max_age_s
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[Question, tuple[float, Answer]] = {}

    def __call__(self, question: Question) -> Answer:
        with self._lock:
            asked_at = self._clock()
            self._kept = {one: kept for one, kept in self._kept.items() if asked_at - kept[0] <= self._max_age_s}
            if question not in self._kept:
                self._kept[question] = asked_at, self._ask(question)
            return self._kept[question][1]
