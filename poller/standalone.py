"""The poller as the whole of a program (`--role poller`): in the foreground, its events to a shared broker."""

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from poller.garbage import collect_rarely, set_apart
from poller.lifetime import live
from poller.loop import new_event_loop
from realtime.broker import REPORT, Broker, Publisher
from realtime.events import Event
from settings import Settings

logger = logging.getLogger(__name__)

REPORT_INTERVAL_S = 2.0
LINE_INTERVAL_S = 300.0
BEGINNING_S = 5.0  # in which the broker need not have been reached


def run(settings: Settings, broker: Broker, driver: Publisher | None = None) -> None:
    """Poll until SIGTERM or SIGINT, then store and send what there is and close the broker.

    driver: takes the plant's events, and passes them on to the broker if that is its business; None: the broker does.
    """
    collect_rarely()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_run(settings, broker, driver or broker))
    broker.close()
    logger.info("poller: ended")


async def _run(settings: Settings, broker: Publisher, driver: Publisher) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    await live(settings, driver, stop, Bulletin(broker), loaded=set_apart)


class Bulletin:
    """Tells the web processes by the broker how the poller is, and the log when that changes and now and then."""

    def __init__(self, broker: Publisher, clock: Callable[[], float] = monotonic) -> None:
        self._broker = broker
        self._clock = clock
        self._reported_at = self._logged_at = float("-inf")
        self._began_at = clock()
        self._state: tuple[str, bool] | None = None

    def __call__(self, values: Mapping[str, Any]) -> None:
        now, health = self._clock(), self._broker.health()
        state = state_of(values), bool(health["is_up"])
        is_news = state != self._state
        if is_news or now - self._reported_at >= REPORT_INTERVAL_S:
            self._reported_at = now
            self._broker.publish([Event(REPORT, (), dict(values))])
        if is_news or now - self._logged_at >= LINE_INTERVAL_S:
            self._logged_at = now
            is_well = state[1] or now - self._began_at < BEGINNING_S
            logger.log(logging.INFO if is_well else logging.WARNING, "poller: %s", health_line(values, health))
        self._state = state


def state_of(values: Mapping[str, Any]) -> str:
    """What the poller is at, in words."""
    if values.get("standby"):
        return "waits for its turn"
    return "polling" if values.get("running") else "starting"


def health_line(values: Mapping[str, Any], broker: Mapping[str, Any]) -> str:
    """How polling and publishing are, in one line for the log."""
    parts = [state_of(values)]
    if "gateways" in values:
        parts[0] += f" {values['gateways']} gateways"
        parts.append(f"{values['done_polls']} polls done, {values['missed_polls']} missed")
        parts.append(f"{values['queued_polls']} queued, {values['spooled_polls']} on disk")
    if values.get("lateness_p99_ms") is not None:
        parts.append(f"{values['lateness_p99_ms']:g} ms late (p99)")
    queue = f"{broker.get('queued', 0)} events queued, {broker.get('dropped', 0)} dropped"
    parts.append(f"broker {'up' if broker['is_up'] else 'down: ' + str(broker.get('reason') or 'no answer')}, {queue}")
    return "; ".join(parts)
