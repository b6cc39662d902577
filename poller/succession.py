"""One process at a time, and the next one takes over without a gap: two lock files in a folder."""

from collections.abc import Callable
from pathlib import Path
from time import monotonic

from filelock import FileLock, Timeout

WAIT_STEP_S = 0.1


class SuccessionFailed(Exception):
    """The lock files can't be used; the message names the folder and the remedy."""


class Succession:
    """The right to be the only one: `NAME.lock` is held by whoever serves, `NAME.claim` by the one who comes next.

    A newcomer takes the claim, waits for the lock and drops the claim. Whoever serves may look at `is_wanted` and
    leave. Both locks end with their process, however it dies, so that nothing needs cleaning up.
    """

    def __init__(self, folder: Path, name: str) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SuccessionFailed(
                f"cannot make the folder {folder} ({error.strerror}); name a writable one"
            ) from error
        self._lock = FileLock(folder / f"{name}.lock", thread_local=False)
        self._claim = FileLock(folder / f"{name}.claim", thread_local=False)

    def acquire(self, stop: Callable[[], bool]) -> bool:
        """Wait until we are the only one: True. False, with nothing held, as soon as `stop` says so."""
        try:
            with self._claim.acquire(poll_interval=WAIT_STEP_S, cancel_check=stop):
                self._lock.acquire(poll_interval=WAIT_STEP_S, cancel_check=stop)
        except Timeout:
            return False
        except OSError as error:
            raise SuccessionFailed(
                f"cannot lock {self._lock.lock_file} ({error.strerror}); name a writable folder"
            ) from error
        return True

    def dismiss(self, timeout_s: float) -> None:
        """Have whoever serves as an orphan leave, as a successor would; there is none when this returns, in time."""
        give_up = monotonic() + timeout_s
        if self.acquire(lambda: monotonic() > give_up):
            self.release()

    def is_wanted(self) -> bool:
        """Whether a successor waits for us to leave."""
        try:
            with self._claim.acquire(timeout=0):
                return False
        except Timeout:
            return True

    def release(self) -> None:
        self._lock.release()
