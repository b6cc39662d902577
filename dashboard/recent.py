"""One answer for many who ask at the same time: every open page asks at each change of status."""

import threading
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Recent(Generic[Answer]):
    """Asks once and repeats the answer for `max_age_s`; who comes while it is being found waits for it.

    An error is not kept: it is raised for the one who asked, and the next one asks again.
    """

    def __init__(self, ask: Callable[[], Answer], max_age_s: float, clock: Callable[[], float] = monotonic) -> None:
        self._ask = ask
        self._max_age_s = max_age_s
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: tuple[float, Answer] | None = None

    def __call__(self) -> Answer:
        with self._lock:
            asked_at = self._clock()
            if self._kept is None or asked_at - self._kept[0] > self._max_age_s:
                self._kept = asked_at, self._ask()
            return self._kept[1]
