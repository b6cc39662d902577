"""What readings say of their device: a router rebooted, another SIM or operator, a counter that went back. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from models.database import from_ms
from models.events import EventKind, Severity
from models.gateways import Quantity
from models.polls import Poll, PollNote
from models.readings import Quality, Sample
from poller.plan import GatewayPlan

SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
ROUNDING_S = 2.0
WRAPS_S = (2**32, 2**32 / 100, 2**32 / 1000)  # of 32 bits that count seconds, hundredths or milliseconds
TOLERANCE_S = 60.0
TEXTS = {
    "active_sim_slot": (EventKind.SIM_CHANGED, "SIM"),
    "operator": (EventKind.OPERATOR_CHANGED, "operator"),
}


@dataclass(frozen=True, slots=True)
class Watch:
    """The points of one gateway whose last good sample is remembered."""

    plan: GatewayPlan
    uptimes: Mapping[int, int]  # point -> seconds of its unit
    texts: frozenset[int]
    ids: frozenset[int]

    @classmethod
    def of(cls, plan: GatewayPlan) -> "Watch":
        points = plan.points.values()
        uptimes = {p.id: SECONDS[p.unit] for p in points if p.quantity is Quantity.UPTIME and p.unit in SECONDS}
        texts = frozenset(point.id for point in points if point.key in TEXTS)
        return cls(plan, uptimes, texts, texts | uptimes.keys() | plan.energy_ids)


class Changes:
    """Remembers the last good sample of the watched points, as far as it has been stored."""

    def __init__(self) -> None:
        self._last: dict[int, Sample | None] = {}  # None: asked for, and there is none
        self._watches: dict[int, Watch] = {}  # by gateway

    def watch(self, plan: GatewayPlan) -> Watch:
        """The watch of a plan, made once."""
        known = self._watches.get(plan.gateway_id)
        if known is None or known.plan is not plan:
            known = self._watches[plan.gateway_id] = Watch.of(plan)
        return known

    def unknown(self, plans: Iterable[GatewayPlan]) -> set[int]:
        """The watched points of which nothing is remembered: to be asked for, then learned."""
        return {point for plan in plans for point in self.watch(plan).ids if point not in self._last}

    def learn(self, asked: Iterable[int], found: Iterable[Sample]) -> None:
        """Remember the last good samples of points that were asked for."""
        self._last |= dict.fromkeys(asked)
        self._last |= {sample.data_point_id: sample for sample in found}

    def draft(self) -> "Draft":
        """For the polls of one unit of work; `accept` it when that is committed."""
        return Draft(self, self._last)

    def accept(self, draft: "Draft") -> None:
        self._last |= draft.newer


class Draft:
    """What one unit of work adds to the memory."""

    def __init__(self, changes: Changes, last: Mapping[int, Sample | None]) -> None:
        self.newer: dict[int, Sample] = {}
        self._changes = changes
        self._last = last

    def notes_of(self, poll: Poll, plan: GatewayPlan, zone: ZoneInfo) -> list[PollNote]:
        """What a poll's samples say against those before them; times of day in the words are the zone's."""
        watch = self._changes.watch(plan)
        notes: list[PollNote] = []
        for sample in poll.samples:
            if sample[0] in watch.ids and _is_good(sample):
                before = self.newer.get(sample[0]) or self._last.get(sample[0])
                if before is None or before.read_at_ms <= sample.read_at_ms:
                    self.newer[sample.data_point_id] = sample
                if before is not None and before.read_at_ms < sample.read_at_ms:
                    notes.extend(_compare(before, sample, watch, zone))
        return notes


def _is_good(sample: Sample) -> bool:
    return sample.quality == Quality.GOOD and (sample.value is not None or bool(sample.text and sample.text.strip()))


def _compare(before: Sample, after: Sample, watch: Watch, zone: ZoneInfo) -> Iterator[PollNote]:
    point = after.data_point_id
    if point in watch.texts and before.text is not None and after.text is not None:
        yield from _text_notes(before.text.strip(), after, watch.plan)
    elif before.value is not None and after.value is not None:
        if point in watch.uptimes:
            yield from _reboot_notes(before, after, watch, zone)
        elif point in watch.plan.energy_ids and after.value < before.value:
            yield _went_back(before.value, after.value, after, watch.plan)


def _text_notes(before: str, sample: Sample, plan: GatewayPlan) -> Iterator[PollNote]:
    after = (sample.text or "").strip()
    if after != before:
        point = plan.points[sample.data_point_id]
        kind, word = TEXTS[point.key]
        at = from_ms(sample.read_at_ms)
        yield PollNote(at, kind, Severity.LOW, f"{word} {before} → {after}", "", point.device_id, point.id)


def _reboot_notes(before: Sample, after: Sample, watch: Watch, zone: ZoneInfo) -> Iterator[PollNote]:
    assert before.value is not None and after.value is not None  # noqa: S101  # seen by the caller
    seconds = watch.uptimes[after.data_point_id]
    before_s, after_s = before.value * seconds, after.value * seconds
    elapsed_s = (after.read_at_ms - before.read_at_ms) / 1000
    if not _has_rebooted(before_s, after_s, elapsed_s, max(ROUNDING_S, seconds)):
        return
    read_at = from_ms(after.read_at_ms).astimezone(zone)
    booted_at = read_at - timedelta(seconds=after_s)
    when = f"{booted_at:%H:%M}" if booted_at.date() == read_at.date() else f"{booted_at:%d %b %H:%M}"
    point = watch.plan.points[after.data_point_id]
    yield PollNote(
        from_ms(after.read_at_ms),
        EventKind.ROUTER_REBOOTED,
        Severity.LOW,
        f"router rebooted at {when} (it had been up {duration(before_s)})",
        "",
        point.device_id,
        point.id,
    )


def _has_rebooted(before_s: float, after_s: float, elapsed_s: float, rounding_s: float) -> bool:
    """Whether the uptime went back, or is less than the time since it was last read."""
    if any(abs(after_s + wrap - before_s - elapsed_s) < TOLERANCE_S for wrap in WRAPS_S):
        return False  # the count went on from 0 at its end
    return before_s - after_s > rounding_s or after_s < 0.99 * elapsed_s - TOLERANCE_S


def _went_back(before: float, after: float, sample: Sample, plan: GatewayPlan) -> PollNote:
    point = plan.points[sample.data_point_id]
    return PollNote(
        from_ms(sample.read_at_ms),
        EventKind.COUNTER_WENT_BACK,
        Severity.LOW,
        f"{plan.device_names[point.id]}: {point.label} went back",
        f"{before:g} → {after:g} {point.unit} (reset, replaced or rolled over?)",
        point.device_id,
        point.id,
    )


def duration(seconds: float) -> str:
    """A span of time in its two largest units, such as "3 d 4 h"."""
    minutes, rest_s = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest_s, "s")]
    first = next((place for place, (number, _) in enumerate(parts) if number), 3)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2] if number) or "0 s"
