"""One poll of one gateway, from its read plan to samples; readable from top to bottom."""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import perf_counter

import numpy as np

from models.database import to_ms
from models.device_template import template
from models.gateways import DataPoint, Gateway, Outcome, Quantity
from models.polls import Poll
from models.readings import Quality, Sample
from poller.decode import BadPayload, decode
from poller.modbus import BadReply, Connection, ConnectionLost, ExceptionReply, NoAnswer, Unreachable
from poller.read_plan import Block, plan_reads

LATENCIES_KEPT = 100
ENERGIES = (Quantity.ENERGY_IMPORT, Quantity.ENERGY_EXPORT)
SILENT_UNITS_BEFORE_GIVING_UP = 2
LONGEST_PAUSE_S = 60.0


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class UnitPlan:
    """What to read from one unit behind a gateway."""

    unit_id: int
    name: str
    min_gap_s: float
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class GatewayPlan:
    """All that a poll needs to know, made once per change of the configuration."""

    gateway_id: int
    name: str
    host: str
    port: int
    poll_interval_s: float
    connect_timeout_s: float
    request_timeout_s: float
    units: tuple[UnitPlan, ...]
    points: dict[int, DataPoint]
    device_names: dict[int, str]  # by data point
    energy_ids: frozenset[int]  # counters that never go back by nature, unlike a day's or a month's

    @property
    def line(self) -> tuple[str, int, float, float]:
        """What an open connection depends on."""
        return self.host, self.port, self.connect_timeout_s, self.request_timeout_s


def plan_gateway(gateway: Gateway) -> GatewayPlan:
    """The plan of an enabled gateway, with its devices and points loaded."""
    units, points, device_names = [], {}, {}
    for device in gateway.devices:
        limits = template(device.template).limits
        enabled = [point for point in device.data_points if point.enabled]
        units.append(
            UnitPlan(device.unit_id, device.name, limits.min_gap_ms / 1000, tuple(plan_reads(enabled, limits)))
        )
        points.update({point.id: point for point in enabled})
        device_names.update({point.id: device.name for point in enabled})
    return GatewayPlan(
        gateway_id=gateway.id,
        name=gateway.name,
        host=gateway.host,
        port=gateway.port,
        poll_interval_s=gateway.poll_interval_s,
        connect_timeout_s=gateway.connect_timeout_s,
        request_timeout_s=gateway.request_timeout_s,
        units=tuple(units),
        points=points,
        device_names=device_names,
        energy_ids=frozenset(point.id for point in points.values() if point.quantity in ENERGIES),
    )


@dataclass
class Link:
    """What is remembered of a gateway between polls: its connection, its round trips and its silent units."""

    connection: Connection
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_KEPT))
    silences: dict[int, int] = field(default_factory=dict)  # unit -> polls in a row without an answer
    resume_at: dict[int, datetime] = field(default_factory=dict)  # unit -> not asked before

    def unit_was_silent(self, unit_id: int, interval_s: float, now: datetime) -> None:
        """Ask a silent unit ever less often, up to once a minute: each question holds the bus for a whole time-out."""
        silences = self.silences[unit_id] = self.silences.get(unit_id, 0) + 1
        pause_s = min(interval_s * 2 ** min(silences, 10), max(LONGEST_PAUSE_S, interval_s))
        self.resume_at[unit_id] = now + timedelta(seconds=pause_s)

    def unit_answered(self, unit_id: int) -> None:
        self.silences.pop(unit_id, None)
        self.resume_at.pop(unit_id, None)

    def is_paused(self, unit_id: int, now: datetime) -> bool:
        return unit_id in self.resume_at and now < self.resume_at[unit_id]


@dataclass
class _Walk:
    """What one poll has gathered so far."""

    samples: list[Sample] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    latency_ms: float | None = None
    silent_units: int = 0


async def poll_gateway(plan: GatewayPlan, link: Link, clock: Callable[[], datetime] = utc_now) -> Poll:
    """Read every unit of a gateway, one request after the other; never raises for what the wire does."""
    started_at, started = clock(), perf_counter()
    walk = _Walk()
    try:
        for unit in plan.units:
            await _poll_unit(unit, plan, link, walk, clock)
            if walk.silent_units >= SILENT_UNITS_BEFORE_GIVING_UP and not walk.samples:
                break
    except (Unreachable, ConnectionLost) as error:
        walk.errors.append(str(error))
    if walk.latency_ms is not None:
        link.latencies_ms.append(walk.latency_ms)
    return Poll(
        gateway_id=plan.gateway_id,
        started_at=started_at,
        duration_ms=(perf_counter() - started) * 1000,
        latency_ms=walk.latency_ms,
        latency_p95_ms=float(np.percentile(link.latencies_ms, 95)) if link.latencies_ms else None,
        outcome=_outcome(walk),
        error="; ".join(dict.fromkeys(walk.errors)),
        samples=walk.samples,
    )


def _outcome(walk: _Walk) -> Outcome:
    if not walk.samples:
        return Outcome.FAILED
    return Outcome.PARTIAL if walk.errors else Outcome.OK


async def _poll_unit(unit: UnitPlan, plan: GatewayPlan, link: Link, walk: _Walk, clock: Callable[[], datetime]) -> None:
    """Read the blocks of one unit; a unit that stays silent is left alone for the rest of the poll."""
    if link.is_paused(unit.unit_id, clock()):
        walk.errors.append(f"{unit.name}: unit {unit.unit_id} silent, asked again soon")
        return
    for block in unit.blocks:
        try:
            await _read_block(unit, block, link, walk, clock)
        except NoAnswer as error:
            link.unit_was_silent(unit.unit_id, plan.poll_interval_s, clock())
            walk.silent_units += 1
            walk.errors.append(f"{unit.name}: {error}")
            return
        except (ExceptionReply, BadReply) as error:
            walk.errors.append(f"{unit.name}: {error}, at {block.table.value} {block.address} x {block.count}")
        await asyncio.sleep(unit.min_gap_s)
    if unit.blocks:
        link.unit_answered(unit.unit_id)


async def _read_block(unit: UnitPlan, block: Block, link: Link, walk: _Walk, clock: Callable[[], datetime]) -> None:
    words = await link.connection.read(unit.unit_id, block.table, block.address, block.count)
    read_at_ms = to_ms(clock())
    round_trip_ms = link.connection.round_trip_ms
    if round_trip_ms is not None:
        walk.latency_ms = max(walk.latency_ms or 0.0, round_trip_ms)
    walk.samples.extend(_samples(block, words, read_at_ms))


def _samples(block: Block, words: list[int], read_at_ms: int) -> Iterator[Sample]:
    for point in block.points:
        yield sample(point, block.words_of(point, words), read_at_ms)


def sample(point: DataPoint, words: list[int], read_at_ms: int) -> Sample:
    """One point's words as a sample with its quality; NaN, infinities and sentinels have no value, never 0."""
    try:
        value = decode(words, point.encoding)
    except BadPayload:
        value = None
    if value is None:
        return Sample(point.id, read_at_ms, None, Quality.NOT_AVAILABLE)
    if isinstance(value, str):
        return Sample(point.id, read_at_ms, None, Quality.GOOD, text=value)
    return Sample(point.id, read_at_ms, float(value), _quality(point, value))


def _quality(point: DataPoint, value: float) -> Quality:
    low = -math.inf if point.plausible_min is None else point.plausible_min
    high = math.inf if point.plausible_max is None else point.plausible_max
    return Quality.GOOD if low <= value <= high else Quality.SUSPECT
