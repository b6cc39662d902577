"""At most one web process on a data folder where events stay inside the process (memory://)."""

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO

from settings import BadSettings, Settings

LOCK_FILE = "web.lock"


def claim(settings: Settings) -> AbstractContextManager[object]:
    """Become the only web process of this data folder, where there may be only one, until the context ends.

    Call it once in the process that is started, before a fork. The lock belongs to that process alone and not to
    the workers it forks, so that it ends with it, however it dies, even while an orphaned worker still closes.
    Raises BadSettings when another one is running.
    """
    if settings.broker_url != "memory://":
        return nullcontext()
    path = settings.data_folder / LOCK_FILE
    try:
        settings.data_folder.mkdir(parents=True, exist_ok=True)
        return _locked(path)
    except BlockingIOError as error:
        raise BadSettings(
            f"another web process{_holder(path)} serves from {settings.data_folder}, and with memory:// events reach "
            "only one; end it, or set MONITOR_BROKER_URL to redis:// or postgresql:// to run several"
        ) from error
    except OSError as error:
        raise BadSettings(f"MONITOR_DATA_FOLDER: cannot lock {path} ({error.strerror}); name a writable one") from error


def _locked(path: Path) -> AbstractContextManager[object]:
    """The lock, for as long as it is not closed; raises BlockingIOError when another process has it."""
    try:
        import fcntl
    except ImportError:  # Windows, where nothing is forked
        return _locked_on_windows(path)
    file = path.open("a+")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # flock would pass to the workers, and outlive us in them
    except PermissionError as error:  # one of the two errors that POSIX allows for a lock that is held
        file.close()
        raise BlockingIOError from error
    except OSError:
        file.close()
        raise
    _sign(file)
    return file


def _locked_on_windows(path: Path) -> AbstractContextManager[object]:
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise BlockingIOError from error
    return lock


def _sign(file: IO[str]) -> None:
    """Leave our process number for the one who is refused."""
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()


def _holder(path: Path) -> str:
    try:
        pid = path.read_text().strip()
    except OSError:  # Windows lets nobody read a locked file
        return ""
    return f" (process {pid})" if pid.isdigit() else ""
