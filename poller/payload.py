"""A poll as bytes and back, exactly; JSON, so that a spool can be read by eye and by later versions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, astuple, fields
from datetime import datetime, timedelta
from typing import Any

from models.database import EPOCH
from models.events import EventKind, Severity
from models.gateways import Outcome
from models.polls import Poll, PollNote, Refusal, UnitSilence
from models.readings import Quality, Sample
from realtime.events import from_json, to_json

MICROSECOND = timedelta(microseconds=1)
DEFAULTS = {field.name: field.default for field in fields(Poll) if field.default is not MISSING}
NAMES = [field.name for field in fields(Poll)]


class BadPayload(ValueError):
    """These bytes are no poll."""


def payload_of(poll: Poll) -> bytes:
    """The poll as JSON: its fields by name, without those at their defaults. Raises ValueError for what JSON lacks."""
    values = {name: getattr(poll, name) for name in NAMES}
    values = {name: value for name, value in values.items() if name not in DEFAULTS or value != DEFAULTS[name]}
    for name in WRITTEN.keys() & values.keys():
        values[name] = WRITTEN[name](values[name])
    try:
        return to_json(values)
    except TypeError as error:
        raise ValueError(str(error)) from error


def poll_of(payload: bytes) -> Poll:
    """The poll that was written; raises BadPayload."""
    try:
        values = from_json(payload)
        for name in READ.keys() & values.keys():
            values[name] = READ[name](values[name])
        return Poll(**values)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise BadPayload(f"no poll ({error})") from error


def _microseconds(at: datetime) -> int:
    return (at - EPOCH) // MICROSECOND


def _time(microseconds: int) -> datetime:
    return EPOCH + microseconds * MICROSECOND


def _columns(samples: Sequence[Sample]) -> list[Any]:
    """Column by column, which takes half the time and the room of row by row; texts only if there are any."""
    if not samples:
        return []
    *columns, texts = zip(*samples, strict=True)
    return [*columns, texts] if any(text is not None for text in texts) else columns


def _samples(columns: list[list[Any]]) -> list[Sample]:
    if not columns:
        return []
    points, times, values, qualities, *texts = columns
    qualities = [Quality(quality) for quality in qualities]
    return list(
        map(Sample._make, zip(points, times, values, qualities, *(texts or [[None] * len(points)]), strict=True))
    )


def _plain(value: Any) -> Any:
    return _microseconds(value) if isinstance(value, datetime) else value


def _rows(things: Sequence[Any]) -> list[list[Any]]:
    """Dataclasses as rows, their times as microseconds."""
    return [[_plain(value) for value in astuple(thing)] for thing in things]


def _note(row: Sequence[Any]) -> PollNote:
    at, kind, severity, *rest = row
    return PollNote(_time(at), EventKind(kind), Severity(severity), *rest)


def _refusal(row: Sequence[Any]) -> Refusal:
    point, code, since, retry = row
    return Refusal(point, code, _time(since), _time(retry))


def _silence(row: Sequence[Any]) -> UnitSilence:
    device, since, reason = row
    return UnitSilence(device, _time(since), reason)


def _each(read: Callable[[Sequence[Any]], Any]) -> Callable[[Sequence[Sequence[Any]]], tuple[Any, ...]]:
    return lambda rows: tuple(read(row) for row in rows)


WRITTEN: Mapping[str, Callable[[Any], Any]] = {
    "started_at": _microseconds,
    "samples": _columns,
    "notes": _rows,
    "refusals": _rows,
    "silences": _rows,
}
READ: Mapping[str, Callable[[Any], Any]] = {
    "started_at": _time,
    "outcome": Outcome,
    "samples": _samples,
    "notes": _each(_note),
    "refusals": _each(_refusal),
    "silences": _each(_silence),
    "answered_points": tuple,
    "answered_devices": tuple,
}
