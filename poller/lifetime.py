"""A poller's life: wait for its turn, poll, go on for a while when its master dies, hand over."""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from models.database import Database
from poller.loop import new_event_loop
from poller.scheduler import Poller
from poller.succession import Succession
from realtime.broker import Publisher
from settings import Settings

logger = logging.getLogger(__name__)

REPORT_INTERVAL_S = 1.0
ORPHAN_CHECK_INTERVAL_S = 0.2

Report = Callable[[dict[str, Any]], None]


async def live(
    settings: Settings,
    broker: Publisher,
    stop: asyncio.Event,
    report: Report,
    is_orphaned: Callable[[], bool] = lambda: False,
    loaded: Callable[[], None] = lambda: None,
) -> None:
    """Poll until `stop`, as the only poller of this database: a second one stands by until the first has gone.

    An orphan goes on for `poller_linger_s`, or until a successor waits, so that a crash of the web process leaves no
    hole in the readings.
    """
    succession = Succession(settings.data_folder, "poller")
    report({"running": False, "standby": True})
    await asyncio.to_thread(succession.acquire, lambda: stop.is_set() or is_orphaned())
    if stop.is_set() or is_orphaned():
        succession.release()
        return
    database = Database(settings.database_url)
    poller = Poller(database, broker, settings, loaded=loaded)
    try:
        attend = _attend(stop, poller, succession, settings.poller_linger_s, report, is_orphaned)
        await asyncio.gather(poller.run(stop), attend)
    finally:
        database.close()
        succession.release()


async def _attend(
    stop: asyncio.Event,
    poller: Poller,
    succession: Succession,
    linger_s: float,
    report: Report,
    is_orphaned: Callable[[], bool],
) -> None:
    """Report once a second; end an orphan when its time is up or a successor waits."""
    orphaned_at: float | None = None
    while not stop.is_set():
        report(poller.report())
        if is_orphaned():
            if orphaned_at is None:
                orphaned_at = monotonic()
                logger.warning("poller: the web process is gone, going on for up to %g s", linger_s)
            if monotonic() - orphaned_at > linger_s or succession.is_wanted():
                stop.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), ORPHAN_CHECK_INTERVAL_S if orphaned_at else REPORT_INTERVAL_S)


class PollerThread:
    """The poller in a thread of this process, for tests and for `--debug`."""

    def __init__(self, settings: Settings, broker: Publisher, report: Report) -> None:
        self._settings = settings
        self._broker = broker
        self._report = report
        self._loop = new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask_to_end(self) -> None:
        """Tell the thread to end, without waiting for it."""
        self._loop.call_soon_threadsafe(self._stop.set)

    def stop(self) -> None:
        """End polling and store what has been read."""
        if self._thread.is_alive():
            self.ask_to_end()
            self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(live(self._settings, self._broker, self._stop, self._report))
        finally:
            self._loop.close()
