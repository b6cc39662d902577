"""What is remembered of a gateway between its polls: connection, round trips, and what is left alone for now."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

from models.polls import Refusal, UnitSilence
from poller.latencies import Latencies
from poller.modbus import Connection
from poller.plan import GatewayPlan, UnitPlan
from poller.quarantine import Outage, Pace, Refusals, Silence
from poller.reads import Reads

NEVER = datetime.min.replace(tzinfo=UTC)
BUSY_PAUSES_S = (0.2, 0.5)
JITTER = Random()  # noqa: S311  # spreads load, hides nothing; one for all links: its state weighs 2.5 kB


@dataclass(slots=True)
class UnitLink:
    """What is remembered of one unit."""

    unit: UnitPlan
    reads: Reads
    silence: Silence = field(default_factory=Silence)
    refusals: Refusals = field(default_factory=Refusals)
    misses: int = 0  # asks in a row without a reply, whoever is to blame
    answered_at: datetime = NEVER
    unclear_polls: int = 0  # in a row: busy, or replies that fit nothing
    refuses: bool = False  # it answered its last poll with nothing but exceptions
    lifeline: int | None = None  # the point that was read alone when every block was refused
    probes: int = 0  # single points asked for while it refuses everything

    @classmethod
    def of(cls, unit: UnitPlan, silence: Silence | None, refusals: Refusals) -> "UnitLink":
        link = cls(unit, Reads(unit), silence or Silence(), refusals)
        link.rebuild(NEVER)
        return link

    @property
    def can_be_asked(self) -> bool:
        return bool(self.unit.blocks or self.unit.model_blocks)

    @property
    def needs_chain(self) -> bool:
        return bool(self.unit.model_blocks) and self.reads.chain is None

    def rebuild(self, now: datetime) -> None:
        self.reads.rebuild(self.refusals.by_point, now)

    def forget_cuts(self, now: datetime) -> None:
        """Try once a day whether the device takes whole what it refused whole."""
        if self.reads.cuts and self.reads.forget_cuts(now):
            self.rebuild(now)

    def forget_chain(self, now: datetime) -> None:
        if self.reads.chain is not None:
            self.reads.chain = None
            self.rebuild(now)


@dataclass(slots=True)
class _Counted:
    """How far a link's counters have been reported."""

    requests: int = 0
    late: int = 0
    lost: int = 0
    bytes: int = 0

    def since(self, before: "_Counted") -> "_Counted":
        return _Counted(
            self.requests - before.requests, self.late - before.late, self.lost - before.lost, self.bytes - before.bytes
        )


class Link:
    """One gateway's memory from poll to poll; `refusals` and `silences` are those that were known before.

    busy_pauses_s: how long to wait before a busy unit is asked again, within one poll.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        refusals: Iterable[Refusal] = (),
        silences: Iterable[UnitSilence] = (),
        backoff_cap_s: float = 60.0,
        random: Random | None = None,
        busy_pauses_s: tuple[float, ...] = BUSY_PAUSES_S,
    ) -> None:
        self.connection = connection
        self.backoff_cap_s = backoff_cap_s
        self.busy_pauses_s = busy_pauses_s
        self.random = random or JITTER
        self.latencies = Latencies()
        self.outage = Outage()
        self.sound_until = NEVER  # no silent unit is asked before, where others answer
        self.units: list[UnitLink] = []
        self.over_points: list[int] = []  # refusals that ended with a change of the plan
        self.over_devices: list[int] = []
        self.pace = Pace(backoff_cap_s, backoff_cap_s, self.random)  # until there is a plan
        self._plan: GatewayPlan | None = None
        self._refusals = {refusal.data_point_id: refusal for refusal in refusals}
        self._silences = {silence.device_id: Silence.known(silence) for silence in silences}
        self._counted = _Counted()

    def adopt(self, plan: GatewayPlan) -> None:
        """Go on with this plan: what was known of a unit or a point holds while it is asked for in the same way."""
        if plan is self._plan:
            return
        before = {_identity(one.unit): one for one in self.units}
        self.units = [self._taken_up(unit, before.pop(_identity(unit), None)) for unit in plan.units]
        for gone in before.values():
            self.over_points += gone.refusals.by_point
            self.over_devices += [gone.unit.device_id] if gone.silence.is_told else []
        self.pace = Pace(plan.poll_interval_s, self.backoff_cap_s, self.random)
        self._plan = plan

    def _taken_up(self, unit: UnitPlan, before: UnitLink | None) -> UnitLink:
        if before is not None and before.unit == unit:
            return before
        points = {point.id: point for point in unit.points if point.enabled}
        if self._plan is None:
            known = (self._refusals[one] for one in points if one in self._refusals)
            return UnitLink.of(unit, self._silences.get(unit.device_id), Refusals.known(known))
        if before is None:
            return UnitLink.of(unit, None, Refusals())
        asked = {point.id: point for point in before.unit.points}
        refusals = before.refusals.by_point
        kept = {one for one in refusals if one in points and points[one].is_read_like(asked[one])}
        self.over_points += refusals.keys() - kept
        return UnitLink.of(unit, before.silence, Refusals({one: refusals[one] for one in kept}))

    def counted(self) -> _Counted:
        """What has happened on the wire since this was asked last."""
        counters = self.connection.counters
        now = _Counted(counters.requests, counters.late, counters.lost, counters.bytes_sent + counters.bytes_received)
        delta, self._counted = now.since(self._counted), now
        return delta


def _identity(unit: UnitPlan) -> tuple[int, int]:
    return unit.unit_id, unit.device_id
