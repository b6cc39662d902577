"""Something that fails again and again: said once, tried ever less often, and its end said with how long it took."""

import logging
from time import monotonic

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0


class Trouble:
    """The trouble with one thing, `what` in words; `last_error` stays after its end."""

    def __init__(self, what: str) -> None:
        self.last_error: str | None = None
        self._what = what
        self._since: float | None = None
        self._pause_s = FIRST_PAUSE_S

    @property
    def is_on(self) -> bool:
        return self._since is not None

    def failed(self, error: Exception) -> float:
        """It has failed; returns the seconds until the next try."""
        self.last_error = f"{self._what}: {words_of(error)}"
        logger.log(logging.DEBUG if self.is_on else logging.WARNING, "%s", self.last_error)
        if self._since is None:
            self._since, self._pause_s = monotonic(), FIRST_PAUSE_S
        else:
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
        return self._pause_s

    def worked(self) -> None:
        if self._since is not None:
            logger.info("%s: works again after %.1f s", self._what, monotonic() - self._since)
            self._since = None


def words_of(error: Exception) -> str:
    """The cause in one line; SQLAlchemy wraps it and adds the statement with all its values."""
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip() or type(cause).__name__).partition("\n")[0][:300]
