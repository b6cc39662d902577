"""What a poll says to people: of silent units and refused points, and of those that came back."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from models.events import EventKind, Severity
from models.polls import PollNote
from poller.block import Block
from poller.plan import PlannedPoint, UnitPlan
from poller.poll_error import EXCEPTION_WORDS, ExceptionReply, PollError
from poller.quarantine import NO_ANSWER, Silence

NO_PATH, NO_TARGET = 10, 11
POINTS_NAMED = 8


def silence_words(unit_id: int, error: PollError) -> str:
    """Why a unit counts as silent: nothing came, or its gateway says so."""
    code = error.code if isinstance(error, ExceptionReply) else None
    if code == NO_TARGET:
        return f"unit {unit_id}: the gateway says the meter did not respond (exception {code})"
    if code == NO_PATH:
        return f"unit {unit_id}: the gateway says it has no path to the meter (exception {code})"
    return str(error)


def refusal_words(unit_id: int, code: int) -> str:
    """Why a unit counts as refusing everything."""
    return f"unit {unit_id} answers every request with {exception_words(code)}"


def exception_words(code: int) -> str:
    return f"exception {code} ({EXCEPTION_WORDS.get(code, 'unknown')})"


def block_words(unit: UnitPlan, error: PollError, block: Block) -> str:
    return f"{unit.name}: {error}, at {block.table.value} {block.address} x {block.count}"


def unit_silent(unit: UnitPlan, silence: Silence, at: datetime, answers: bool) -> PollNote:
    """answers: it does, but with exceptions, or with what is no reply to what was asked."""
    return PollNote(
        at=at,
        kind=EventKind.UNIT_SILENT,
        severity=Severity.HIGH,
        text=f"{unit.name}: {'answers, but gives no values' if answers else 'the gateway answers, the meter does not'}",
        reason=silence.reason,
        device_id=unit.device_id,
    )


def unit_answers(unit: UnitPlan, silence: Silence, at: datetime) -> PollNote:
    lasted = f" after {span_words(at - silence.since_at)}" if silence.since_at is not None else ""
    return PollNote(
        at=at,
        kind=EventKind.UNIT_ANSWERS,
        severity=Severity.INFO,
        text=f"{unit.name} answers again{lasted}",
        device_id=unit.device_id,
    )


def points_refused(unit: UnitPlan, points: Sequence[PlannedPoint], code: int, at: datetime) -> PollNote:
    """One note for all points that are refused at once for the same reason."""
    answer = f"unit {unit.unit_id} does not answer" if code == NO_ANSWER else f"answers {exception_words(code)}"
    return PollNote(
        at=at,
        kind=EventKind.POINT_REFUSED,
        severity=Severity.LOW,
        text=f"{unit.name}: {_names(points)} can't be read",
        reason=f"{answer} when asked for {_that(points)} alone; left out and tried again once a day",
        device_id=unit.device_id,
        data_point_id=points[0].id if len(points) == 1 else None,
    )


def point_answers(unit: UnitPlan, point: PlannedPoint, since_at: datetime, at: datetime) -> PollNote:
    return PollNote(
        at=at,
        kind=EventKind.POINT_ANSWERS,
        severity=Severity.INFO,
        text=f"{unit.name}: {point.label} can be read again after {span_words(at - since_at)}",
        device_id=unit.device_id,
        data_point_id=point.id,
    )


def span_words(span: timedelta) -> str:
    """A span in the two largest of its units: 45 s, 12 min, 3 h 20 min, 2 d 5 h."""
    minutes, seconds = divmod(max(int(span.total_seconds()), 0), 60)
    if not minutes:
        return f"{seconds} s"
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min"


def _names(points: Sequence[PlannedPoint]) -> str:
    if len(points) == 1:
        return points[0].label
    named = ", ".join(point.label for point in points[:POINTS_NAMED])
    return f"{len(points)} points ({named}{', ...' if len(points) > POINTS_NAMED else ''})"


def _that(points: Sequence[PlannedPoint]) -> str:
    return "it" if len(points) == 1 else "each"
