"""The right to be the only one that uses a database, for as long as something takes its place."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from commands.single_web import claim
from models.restoring import RestoreFailed
from poller.succession import Succession
from settings import BadSettings, Settings

PATIENCE_S = 3.0  # a poller that outlived its web process leaves within this time


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """No web process and no poller of this data folder runs now, and none begins before it is over.

    Raises RestoreFailed while one runs. What uses a database from elsewhere is found by the database itself.
    """
    poller = Succession(settings.data_folder, "poller")
    give_up = time.monotonic() + PATIENCE_S
    with _web(settings):
        if not poller.acquire(lambda: time.monotonic() > give_up):
            raise RestoreFailed(f"a poller of {settings.data_folder} is running; end the program first")
        try:
            yield
        finally:
            poller.release()


@contextmanager
def _web(settings: Settings) -> Iterator[None]:
    try:
        claimed = claim(settings)
    except BadSettings as error:
        if "another web process" not in str(error):
            raise
        who = str(error).partition(" serves from")[0].removeprefix("another ")
        raise RestoreFailed(f"the program is running ({who}); end it first, nothing was changed") from error
    with claimed:
        yield
