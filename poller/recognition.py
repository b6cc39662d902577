"""What a unit is: its own identification, a router's rows, a SunSpec chain, and the templates that fit."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from models.device_template import templates
from models.gateways import Table
from poller.modbus import Connection, PollError
from poller.plausibility import LOOKS_RIGHT, plausibility
from poller.sunspec import Chain, discover
from poller.template_matching import ROUTER, Certainty, Match, matching_templates
from poller.unit_reader import UnitReader

ROUTER_TEXTS = ("hostname", "router_name", "serial_number", "lan_mac")
UPTIME_PAUSE_S = 2.0
BEST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Unit:
    """What is known of a unit that answers. router: its text rows by key, empty if it is no RutOS router."""

    unit_id: int
    round_trip_ms: float | None
    tables: tuple[Table, ...]
    identification: Mapping[int, str]
    router: Mapping[str, str]
    chain: Chain | None
    matches: tuple[Match, ...]

    @property
    def device(self) -> str | None:
        """UNIT:TEMPLATE as `gateway add --device` takes it."""
        return f"{self.unit_id}:{self.matches[0].template}" if self.matches else None


async def recognise(
    connection: Connection, unit_id: int, round_trip_ms: float | None, uptime_pause_s: float = UPTIME_PAUSE_S
) -> Unit:
    """Ask a unit everything by which it can be told from others; raises Unreachable only."""
    reader = UnitReader(connection, unit_id)
    tables = await reader.tables()
    identification = await reader.identification()
    router = await _router(reader, uptime_pause_s)
    chain = None if router else await _chain(connection, reader)
    matches = [_router_match()] if router else await matching_templates(reader, identification, chain)
    return Unit(unit_id, round_trip_ms, tables, identification, router, chain, tuple(matches[:BEST_SHOWN]))


def _router_match() -> Match:
    reason = "its texts are legible and its uptime grows"
    return Match(ROUTER, Certainty.CERTAIN, templates()[ROUTER].status, reason)


async def _router(reader: UnitReader, pause_s: float) -> dict[str, str]:
    """A RutOS router's texts: they are legible, and its uptime grows as time goes by."""
    model = templates().get(ROUTER)
    if model is None:
        return {}
    points = {point.key: point for point in model.points}
    texts: dict[str, str] = {}
    for point in (points[key] for key in ROUTER_TEXTS if key in points):
        value = await reader.value(point.table, point.address, point.encoding)
        if isinstance(value, str) and value and plausibility(value, value, point.data_type) >= LOOKS_RIGHT:
            texts[point.key] = value
    if not texts or "uptime" not in points:
        return {}
    grown_s = await reader.growth(points["uptime"].address, points["uptime"].encoding, pause_s)
    return texts if grown_s is not None and 0 < grown_s <= ceil(pause_s) + 30 else {}


async def _chain(connection: Connection, reader: UnitReader) -> Chain | None:
    if reader.is_mute(Table.HOLDING):
        return None
    try:
        return await discover(connection, reader.unit_id)
    except PollError:
        return None
