"""Walks the units of a gateway, one request after the other: which of them answer, and what they are."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from poller.knocking import Knocker, Presence
from poller.modbus import Connection, ConnectionLost, PollError
from poller.question import Target
from poller.recognition import UPTIME_PAUSE_S, Unit, recognise

LATE_SUSPECTS = 4  # units that a late reply may have come from: the last silent ones
LAST_WAIT_S = 1.0

Told = Callable[[int, int], None]  # units asked, devices found


class Scan:
    """One scan; `found` grows as it goes, so that an end before the end loses nothing."""

    def __init__(self, connection: Connection, knocker: Knocker, uptime_pause_s: float = UPTIME_PAUSE_S) -> None:
        self.found: list[Unit] = []
        self.asked: list[int] = []
        self.problem = ""  # why it ended before the end, or found nothing
        self._connection = connection
        self._knocker = knocker
        self._uptime_pause_s = uptime_pause_s
        self._silent: list[int] = []
        self._doubted: set[int] = set()

    async def run(self, unit_ids: Sequence[int], told: Told) -> None:
        """Ask all units in this order. Raises a PollError if the gateway can't be reached at all."""
        waiting = deque(unit_ids)
        try:
            while waiting or await self._last_late(waiting):
                await self._visit(waiting.popleft())
                told(len(self.asked), len(self.found))
                self._doubt(waiting)
        except PollError as error:
            if not self.asked:
                raise
            self.problem = str(error)
        else:
            self.problem = self._stranger()
        finally:
            self._connection.close()

    def _stranger(self) -> str:
        """What speaks against a Modbus gateway at that port, when no unit was found; empty when nothing does."""
        error = self._knocker.not_modbus
        if error is None or self.found:
            return ""
        is_cut = isinstance(error, ConnectionLost)
        return f"{error} (is it open to one client only, or something else's port?)" if is_cut else str(error)

    async def _visit(self, unit_id: int) -> None:
        presence = await self._knocker.knock(unit_id, has_time=unit_id in self._doubted)
        if unit_id not in self.asked:
            self.asked.append(unit_id)
        if presence is Presence.THERE:
            self._knocker.take_time()
            unit = await recognise(self._connection, unit_id, self._connection.round_trip_ms, self._uptime_pause_s)
            self.found.append(unit)
        elif presence is Presence.SILENT:
            self._silent.append(unit_id)

    def _doubt(self, waiting: deque[int]) -> None:
        """Ask the last silent units again, with time, when a reply came too late."""
        if self._knocker.has_heard_late():
            suspects = [unit_id for unit_id in self._silent[-LATE_SUSPECTS:] if unit_id not in self._doubted]
            self._doubted.update(suspects)
            waiting.extendleft(reversed(suspects))

    async def _last_late(self, waiting: deque[int]) -> bool:
        """Give the last silent unit a moment; whether units are to be asked again."""
        if self._silent and self._silent[-1] not in self._doubted:
            await asyncio.sleep(min(LAST_WAIT_S, self._connection.times.longest_s))
            self._doubt(waiting)
        return bool(waiting)


def device_options(found: Iterable[Unit]) -> list[str]:
    """`--device UNIT:TEMPLATE` for every unit that was recognised."""
    return [f"--device {unit.device}" for unit in sorted(found, key=lambda unit: unit.unit_id) if unit.device]


def document(scan: Scan, target: Target, unit_count: int) -> dict[str, Any]:
    """The scan as a JSON object."""
    options = device_options(scan.found)
    return {
        "target": str(target),
        "complete": len(scan.asked) == unit_count,
        "asked": len(scan.asked),
        "problem": scan.problem or None,
        "units": [_unit(unit) for unit in scan.found],
        "add": add_command(target, options) if options else None,
    }


def add_command(target: Target, options: Sequence[str]) -> str:
    """The command that polls what was found, but for the gateway's name."""
    return f"python app.py gateway add NAME {target.host} --port {target.port} {' '.join(options)}"


def _unit(unit: Unit) -> dict[str, Any]:
    chain = unit.chain
    return {
        "unit": unit.unit_id,
        "round_trip_ms": None if unit.round_trip_ms is None else round(unit.round_trip_ms, 3),
        "tables": [table.value for table in unit.tables],
        "identification": {str(number): text for number, text in unit.identification.items()},
        "router": dict(unit.router) or None,
        "sunspec": None
        if chain is None
        else {
            "base": chain.base,
            "models": [model._asdict() for model in chain.models],
        },
        "templates": [
            {
                "template": match.template,
                "certainty": match.certainty.word,
                "status": match.status,
                "reason": match.reason,
            }
            for match in unit.matches
        ],
        "device": unit.device,
    }
