"""What follows from a poll: which units and points are left alone from now on, and what is told of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from models.polls import PollNote, Refusal, UnitSilence
from poller.link import Link, UnitLink
from poller.plan import PlannedPoint, UnitPlan
from poller.poll_words import point_answers, points_refused, unit_answers, unit_silent
from poller.quarantine import FAILURES_BEFORE_TOLD, Pace, Silence
from poller.unit_poll import Gathered, UnitPoll, Verdict

UNCLEAR_POLLS_BEFORE_REST = 3


@dataclass(slots=True)
class Findings:
    """The part of a poll that is about units and points rather than values; fields as in Poll."""

    notes: list[PollNote] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    answered_points: list[int] = field(default_factory=list)
    silences: list[UnitSilence] = field(default_factory=list)
    answered_devices: list[int] = field(default_factory=list)


def judge(done: Sequence[UnitPoll], gathered: Gathered, link: Link, pace: Pace, is_gone: bool) -> Findings:
    """Weigh how each unit took its part; a unit is blamed only when the gateway has proved that it lives."""
    findings = Findings()
    for work in done:
        if work.has_data:
            _welcome(work.one, gathered.started_at, findings)
        elif work.verdict is not Verdict.UNASKED:
            _blame(work, _is_proven(work, gathered, is_gone), gathered.started_at, pace, findings)
    if gathered.refused or gathered.refused_again or gathered.read_again:
        _tell_of_points(gathered, findings)
    if link.over_points or link.over_devices:
        _take_over(link, findings)
    if gathered.replies:
        link.outage.answered()
    elif done:
        link.outage.failed(gathered.started_at, pace)
    return findings


def _welcome(one: UnitLink, now: datetime, findings: Findings) -> None:
    """The unit answered: whatever was held against it is over."""
    if one.silence.is_told:
        findings.notes.append(unit_answers(one.unit, one.silence, now))
        findings.answered_devices.append(one.unit.device_id)
    if one.silence.is_on:
        one.silence = Silence()
    one.misses = one.unclear_polls = 0
    one.refuses = False
    one.answered_at = now


def _is_proven(work: UnitPoll, gathered: Gathered, is_gone: bool) -> bool:
    """Whether the gateway lived while the unit did not answer; for what is told of, it must have answered since."""
    if not work.lacks_proof:
        return True
    return gathered.replies > 0 and not is_gone and not work.one.silence.is_to_be_told


def _blame(work: UnitPoll, is_proven: bool, now: datetime, pace: Pace, findings: Findings) -> None:
    """The unit did not answer; it is given a rest if that is its own fault."""
    one, verdict = work.one, work.verdict
    one.misses += verdict is not Verdict.REFUSED
    one.unclear_polls = one.unclear_polls + 1 if verdict is Verdict.UNCLEAR else 0
    is_excused = verdict is Verdict.UNCLEAR and one.unclear_polls < UNCLEAR_POLLS_BEFORE_REST
    if is_excused or not is_proven:
        if one.silence.is_on:
            one.silence.postpone(now, pace)
        return
    one.refuses = verdict is Verdict.REFUSED
    one.silence.failed(now, work.reason, pace)
    if one.silence.failures >= FAILURES_BEFORE_TOLD or one.refuses:
        one.forget_chain(now)
    if one.silence.failures >= FAILURES_BEFORE_TOLD and not one.silence.is_told:
        one.silence.is_told = True
        findings.notes.append(unit_silent(one.unit, one.silence, now, answers=verdict is not Verdict.SILENT))
        findings.silences.append(UnitSilence(one.unit.device_id, one.silence.since_at or now, one.silence.reason))


def _tell_of_points(gathered: Gathered, findings: Findings) -> None:
    now = gathered.started_at
    findings.refusals = [*(refusal for _, refusal in gathered.refused), *gathered.refused_again]
    for unit, code, points in _by_unit_and_code(gathered.refused):
        findings.notes.append(points_refused(unit, points, code, now))
    for one, refusal in gathered.read_again:
        findings.answered_points.append(refusal.data_point_id)
        findings.notes.append(point_answers(one.unit, _point(one, refusal), refusal.since_at, now))


def _by_unit_and_code(
    refused: Iterable[tuple[UnitLink, Refusal]],
) -> Iterator[tuple[UnitPlan, int, list[PlannedPoint]]]:
    def key(found: tuple[UnitLink, Refusal]) -> tuple[int, int]:
        return found[0].unit.unit_id, found[1].exception_code

    for (_, code), group in groupby(sorted(refused, key=key), key):
        found = list(group)
        points = [_point(one, refusal) for one, refusal in found]
        yield found[0][0].unit, code, sorted(points, key=lambda point: (point.table, point.address))


def _point(one: UnitLink, refusal: Refusal) -> PlannedPoint:
    return next(point for point in one.unit.points if point.id == refusal.data_point_id)


def _take_over(link: Link, findings: Findings) -> None:
    """What ended because the plan changed."""
    findings.answered_points += link.over_points
    findings.answered_devices += link.over_devices
    link.over_points, link.over_devices = [], []
