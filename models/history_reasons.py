"""Why there are no values in a gap: from the event log, the log of polls and what is known of retention and rollups."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.database import from_ms, to_ms
from models.events import EventKind, EventRow
from models.gateways import Outcome, Status
from models.history_gaps import Gap, Hole
from models.history_points import PointFacts
from models.poll_tables import PollRow
from models.reading_tables import reading, reading_all
from models.readings import Quality
from models.rollup_tables import ROLLUPS, Level, RollupState, rollup_mark

NOT_KNOWN = "not known"
NOT_LOOKED_UP = "not looked up, there are too many gaps; zoom in"
NO_VALUE = "no value from the device"
NOT_PLAUSIBLE = "no plausible value from the device"
NOT_RUNNING = "the monitor was not running"
BEFORE_FIRST = "before the first reading"
DELETED = "deleted by retention"
WORKED_ON = "its readings are being worked in; look again in a minute"
SWITCHED_OFF = "the point is switched off"

MOST_EXPLAINED = 20  # gaps of one picture that are looked up in the log of polls, the longest first
MOST_EVENTS = 5_000
MOST_POLLS = 2_000
MOST_QUALITIES = 500
LONGEST_OUTAGE = timedelta(days=60)  # what began earlier is not looked for
LEAST_SHARE = 0.5  # of a gap that a cause must cover, if no other is known
RETENTION_SLACK_MS = 2 * 86_400_000  # readings are kept a day beyond what is summed up anew

KINDS = (
    EventKind.GATEWAY_STATUS_CHANGED,
    EventKind.UNIT_SILENT,
    EventKind.UNIT_ANSWERS,
    EventKind.POINT_REFUSED,
    EventKind.POINT_ANSWERS,
    EventKind.READINGS_LOST,
)


class Span(NamedTuple):
    """A time in which something was wrong, and the words for it."""

    start_ms: int
    end_ms: int
    words: str


class Thing(NamedTuple):
    """A gateway, a device or a point."""

    kind: str
    id: int | None


@dataclass(slots=True)
class Outages:
    """What was wrong, with what; and the readings that were lost on the way to the disk."""

    spans: dict[Thing, list[Span]] = field(default_factory=dict)
    lost: list[Span] = field(default_factory=list)

    def add(self, thing: Thing, span: Span) -> None:
        self.spans.setdefault(thing, []).append(span)

    def of(self, point: PointFacts) -> list[Span]:
        things = (Thing("gateway", point.gateway_id), Thing("device", point.device_id), Thing("point", point.id))
        return [span for thing in things for span in self.spans.get(thing, ())]


def explained(
    session: Session, holes: Mapping[int, Sequence[Hole]], points: Mapping[int, PointFacts], now_ms: int
) -> dict[int, list[Gap]]:
    """The gaps of each point with their reasons; every query is bounded, whatever the span."""
    found = [(point, hole) for point, of_point in holes.items() for hole in of_point]
    if not found:
        return {point: [] for point in holes}
    concerned = [points[point] for point in {point for point, _ in found}]
    start_ms, end_ms = min(hole.start_ms for _, hole in found), max(hole.end_ms for _, hole in found)
    outages = _outages(session, concerned, start_ms, end_ms)
    looked_up = sorted(found, key=lambda one: one[1].start_ms - one[1].end_ms)[:MOST_EXPLAINED]
    inquiry = Inquiry(session, outages, Polls(session), now_ms, {(point, hole) for point, hole in looked_up})
    return {
        point: [Gap(hole.start_ms, hole.end_ms, inquiry.reason(points[point], hole), hole.is_open) for hole in of_point]
        for point, of_point in holes.items()
    }


@dataclass(slots=True)
class Inquiry:
    """Asks one source after the other; the first that knows something is believed.

    looked_up: the gaps that are worth queries of their own.
    """

    session: Session
    outages: Outages
    polls: "Polls"
    now_ms: int
    looked_up: set[tuple[int, Hole]]
    firsts: dict[int, int | None] = field(default_factory=dict)

    def reason(self, point: PointFacts, hole: Hole) -> str:
        by_memory: tuple[Callable[[PointFacts, Hole], str], ...] = (self._switched_off, self._outage)
        by_query = (self._bad_readings, self._edge, self._unfinished, self._not_running, self._lost, self._polled)
        is_looked_up = (point.id, hole) in self.looked_up
        sources = (*by_memory, *by_query) if is_looked_up else by_memory
        if hole.bad_count:
            sources = (self._bad_readings, *sources)
        last = NOT_KNOWN if is_looked_up else NOT_LOOKED_UP
        return next((words for source in sources if (words := source(point, hole))), last)

    def _switched_off(self, point: PointFacts, hole: Hole) -> str:
        return SWITCHED_OFF if hole.is_open and not point.is_enabled else ""

    def _outage(self, point: PointFacts, hole: Hole) -> str:
        """What was wrong for the longest part of it."""
        spans = [span for span in self.outages.of(point) if _overlap_ms(span, hole) > 0]
        return max(spans, key=lambda span: _overlap_ms(span, hole)).words if spans else ""

    def _bad_readings(self, point: PointFacts, hole: Hole) -> str:
        """Something was read, but no value, or none that could be believed."""
        if not hole.bad_count:
            return ""
        if (point.id, hole) not in self.looked_up:
            return NO_VALUE
        column = reading_all.c
        some = (
            select(column.quality)
            .where(column.data_point_id == point.id, column.read_at >= hole.start_ms, column.read_at < hole.end_ms)
            .limit(MOST_QUALITIES)
        )
        qualities = self.session.scalars(some).all()
        is_doubtful = sum(quality == Quality.SUSPECT for quality in qualities) * 2 > len(qualities)
        return NOT_PLAUSIBLE if is_doubtful else NO_VALUE

    def _edge(self, point: PointFacts, hole: Hole) -> str:
        """It lies before all that is kept of the point."""
        if point.id not in self.firsts:
            self.firsts[point.id] = first_kept_ms(self.session, point.id)
        first_ms = self.firsts[point.id]
        if first_ms is not None and first_ms < hole.end_ms:
            return ""
        raw_from_ms = self.session.scalar(select(RollupState.raw_from_ms)) or 0
        is_pruned = first_ms is not None and raw_from_ms > 0 and first_ms <= raw_from_ms + RETENTION_SLACK_MS
        return DELETED if is_pruned else BEFORE_FIRST

    def _unfinished(self, point: PointFacts, hole: Hole) -> str:
        mark = rollup_mark.c
        overlapping = select(mark.stamp).where(
            mark.data_point_id == point.id, mark.start_at < hole.end_ms, mark.end_at > hole.start_ms
        )
        return WORKED_ON if self.session.scalar(overlapping.limit(1)) is not None else ""

    def _not_running(self, point: PointFacts, hole: Hole) -> str:
        """No gateway at all was polled during the most of it, although there were polls before."""
        from_ms, until_ms = hole.start_ms + point.interval_ms, hole.end_ms - point.interval_ms
        if self.polls.first_ms is None or self.polls.first_ms >= from_ms or until_ms <= from_ms:
            return ""
        next_ms = self.polls.next_ms(from_ms, until_ms)
        return NOT_RUNNING if (next_ms or until_ms) - from_ms >= LEAST_SHARE * (until_ms - from_ms) else ""

    def _lost(self, point: PointFacts, hole: Hole) -> str:
        span = next((span for span in self.outages.lost if hole.start_ms < span.start_ms <= hole.end_ms + 1000), None)
        return "" if span is None else span.words

    def _polled(self, point: PointFacts, hole: Hole) -> str:
        """How the polls of its gateway went."""
        return self.polls.words(point.gateway_id, hole.start_ms, hole.end_ms + point.interval_ms)


@dataclass(slots=True)
class Polls:
    """The log of polls; it is kept for a month only."""

    session: Session
    first_ms: int | None = None

    def __post_init__(self) -> None:
        self.first_ms = self.session.scalar(select(func.min(PollRow.__table__.c.started_at_ms)))

    def next_ms(self, from_ms: int, until_ms: int) -> int | None:
        """When the first poll of any gateway began in from < t < until: of those out of sight, too."""
        started = PollRow.__table__.c.started_at_ms
        found: int | None = self.session.scalar(select(func.min(started)).where(started > from_ms, started < until_ms))
        return found

    def words(self, gateway_id: int, from_ms: int, until_ms: int) -> str:
        in_span = (PollRow.started_at_ms > from_ms) & (PollRow.started_at_ms <= until_ms)
        columns = (PollRow.gateway_id, PollRow.outcome, PollRow.error, PollRow.missed_count, PollRow.held_count)
        some = self.session.execute(select(*columns).where(in_span).order_by(PollRow.started_at_ms).limit(MOST_POLLS))
        of_gateway = [row for row in some if row.gateway_id == gateway_id]
        errors = [row.error for row in of_gateway if row.outcome != Outcome.OK.value and row.error]
        if errors:
            return f"polls failed: {errors[0]}"
        missed = sum(row.missed_count + row.held_count for row in of_gateway)
        return f"polls lost: {missed} were due and did not happen" if missed else ""


def _outages(session: Session, points: Sequence[PointFacts], start_ms: int, end_ms: int) -> Outages:
    """What the event log says of the points' gateways and devices around a span."""
    found, begun = Outages(), dict[Thing, Span]()
    for event in _events(session, {point.gateway_id for point in points}, start_ms, end_ms):
        at_ms = to_ms(event.at)
        if event.kind is EventKind.READINGS_LOST:
            found.lost.append(Span(at_ms, at_ms, event.text))
        for thing, words in _turns(event, points):
            before = begun.pop(thing, None)
            if before is not None:
                found.add(thing, before._replace(end_ms=at_ms))
            if words:
                begun[thing] = Span(at_ms, end_ms + 1, words)
    for thing, span in begun.items():
        found.add(thing, span)
    return found


def _events(session: Session, gateways: Collection[int], start_ms: int, end_ms: int) -> list[EventRow]:
    """Those that may explain a gap, the oldest first; of very many the newest."""
    newest_first = (
        select(EventRow)
        .where(EventRow.kind.in_(KINDS))
        .where(EventRow.at >= from_ms(start_ms) - LONGEST_OUTAGE, EventRow.at <= from_ms(end_ms))
        .where(EventRow.gateway_id.in_(gateways) | EventRow.gateway_id.is_(None))
        .order_by(EventRow.at.desc(), EventRow.id.desc())
        .limit(MOST_EVENTS)
    )
    return list(reversed(session.scalars(newest_first).all()))


def _turns(event: EventRow, points: Iterable[PointFacts]) -> Iterator[tuple[Thing, str]]:
    """The things with which something is wrong from an event on, and the words for it; empty when it is well again."""
    if event.kind is EventKind.GATEWAY_STATUS_CHANGED:
        yield Thing("gateway", event.gateway_id), _status_words(event.text, event.reason)
    elif event.kind is EventKind.UNIT_SILENT:
        yield Thing("device", event.device_id), _with_reason("unit silent", event.reason)
    elif event.kind is EventKind.UNIT_ANSWERS:
        yield Thing("device", event.device_id), ""
    elif event.kind in (EventKind.POINT_REFUSED, EventKind.POINT_ANSWERS):
        words = _with_reason("point refused", event.reason) if event.kind is EventKind.POINT_REFUSED else ""
        yield from ((Thing("point", point.id), words) for point in points if _is_about(event, point))


def _is_about(event: EventRow, point: PointFacts) -> bool:
    """Whether it names the point: several that are refused at once share an event, and are named in its text only."""
    is_named = event.device_id == point.device_id and point.label in event.text
    return event.data_point_id == point.id or (event.data_point_id is None and is_named)


def _status_words(text: str, reason: str) -> str:
    current = text.rpartition("→")[2].strip()
    if current == Status.PAUSED:
        return "gateway paused"
    if current == Status.OFFLINE:
        return _with_reason("gateway offline", reason)
    return _with_reason("gateway never reached", reason) if text.startswith(Status.NEVER_SEEN) and ":" in text else ""


def _with_reason(words: str, reason: str) -> str:
    return f"{words}: {reason}" if reason else words


def _overlap_ms(span: Span, hole: Hole) -> int:
    return min(span.end_ms, hole.end_ms) - max(span.start_ms, hole.start_ms)


def first_kept_ms(session: Session, point_id: int) -> int | None:
    """The oldest that is kept of a point, at any resolution: a bucket's start or a reading's time."""
    columns = [(reading.c.data_point_id, reading.c.read_at)]
    columns += [(ROLLUPS[level].c.data_point_id, ROLLUPS[level].c.start_at) for level in Level]
    found = [session.scalar(select(func.min(at)).where(point == point_id)) for point, at in columns]
    kept: list[int] = [ms for ms in found if ms is not None]
    if not kept:  # nothing has settled yet
        readings = reading_all.c
        first_ms: int | None = session.scalar(
            select(func.min(readings.read_at)).where(readings.data_point_id == point_id)
        )
        return first_ms
    return min(kept)
