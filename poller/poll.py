"""One poll of one gateway, from its read plan to samples; readable from top to bottom."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from time import perf_counter

from models.gateways import Outcome
from models.polls import Poll
from models.readings import Sample
from poller.judgement import judge
from poller.link import NEVER, Link, UnitLink
from poller.modbus import ExceptionReply, PollError, Unreachable
from poller.plan import GatewayPlan, UnitPlan, plan_gateway
from poller.search import find_lifeline, hold_on_to_lifeline, probe_alone, retry_refused, search, suspect
from poller.unit_poll import Gathered, Over, UnitPoll, Verdict

__all__ = ["GatewayPlan", "Link", "UnitPlan", "plan_gateway", "poll_gateway", "utc_now"]

SILENT_UNITS_BEFORE_DOUBT = 2
SOUND_FOR = 6  # time-outs of silent units are so rare a share of the line's time
NOTHING_TO_READ = "no enabled data point"


def utc_now() -> datetime:
    return datetime.now(UTC)


async def poll_gateway(
    plan: GatewayPlan, link: Link, clock: Callable[[], datetime] = utc_now, missed_count: int = 0
) -> Poll | None:
    """Read every unit of a gateway, one request after the other; never raises for what the wire does.

    None: the gateway, or all that is behind it, is given a rest, and nothing was asked.
    missed_count: polls that were due since the previous one and did not happen; passed on.
    """
    started_at, started = clock(), perf_counter()
    link.adopt(plan)
    walk = _Walk(link, started_at, clock)
    if walk.is_held_back():
        return None
    try:
        await walk.ask_units()
    except Unreachable as error:
        walk.gathered.errors.append(str(error))
    finally:
        if plan.release_socket:
            link.connection.release()
    gathered, findings = walk.gathered, judge(walk.done, walk.gathered, link, walk.pace, walk.is_gone)
    if gathered.latency_ms is not None:
        link.latencies.add(gathered.latency_ms)
    samples = _newest(gathered.samples) if gathered.has_repeats else gathered.samples
    counted, errors = link.counted(), [*gathered.errors, *walk.standing_complaints()]
    return Poll(
        gateway_id=plan.gateway_id,
        started_at=started_at,
        duration_ms=(perf_counter() - started) * 1000,
        latency_ms=gathered.latency_ms,
        latency_p95_ms=link.latencies.percentile_95_ms(),
        outcome=_outcome(samples, errors),
        error="; ".join(dict.fromkeys(errors)),
        samples=samples,
        request_count=counted.requests,
        late_count=counted.late,
        lost_count=counted.lost,
        byte_count=counted.bytes,
        missed_count=missed_count,
        notes=findings.notes,
        refusals=findings.refusals,
        answered_points=findings.answered_points,
        silences=findings.silences,
        answered_devices=findings.answered_devices,
        configuration=plan.configuration,
    )


class _Walk:
    """One poll on its way through the units: the sound ones first, then those that were given a rest."""

    def __init__(self, link: Link, started_at: datetime, clock: Callable[[], datetime]) -> None:
        self.link = link
        self.clock = clock
        self.pace = link.pace
        self.gathered = Gathered(started_at)
        self.units = [one for one in link.units if one.can_be_asked]
        self.done: list[UnitPoll] = []
        self.is_gone = False  # what answered a moment ago does so no more

    def is_held_back(self) -> bool:
        now = self.gathered.started_at
        if not self.pace.is_due(self.link.outage.resume_at, now):
            return True
        return bool(self.units) and not any(map(self._is_due, self.units))

    async def ask_units(self) -> None:
        """Ask as many units as make sense; raises Unreachable."""
        if self.link.outage.is_lasting and self.units:
            await self._ask(min(self.units, key=_hope))
            if not self.gathered.replies:
                return
        left = [one for one in self.units if not self._was_asked(one)] if self.done else self.units
        sound = [one for one in left if not one.silence.is_on]
        for one in sorted(sound, key=_misses) if len(sound) > 1 else sound:
            await self._ask(one)
            if await self._seems_gone():
                return
        resting = [one for one in left if one.silence.is_on and self._is_due(one)]
        if resting and (self.gathered.replies or not sound):
            await self._ask_resting(resting)
        await self._make_sure()

    def standing_complaints(self) -> Iterator[str]:
        """What is wrong without having been asked for in this poll."""
        for one in self.link.units:
            if one.unit.problem:
                yield f"{one.unit.name}: {one.unit.problem}"
            if one.silence.is_on and not self._was_asked(one):
                yield f"{one.unit.name}: {one.silence.reason}"
        if not self.units:
            yield NOTHING_TO_READ

    def _was_asked(self, one: UnitLink) -> bool:
        return any(work.one is one for work in self.done)

    def _is_due(self, one: UnitLink) -> bool:
        return not one.silence.is_on or self.pace.is_due(one.silence.resume_at, self.gathered.started_at)

    async def _ask_resting(self, resting: Iterable[UnitLink]) -> None:
        """The one that has waited longest; as long as they answer, the next: a silent one costs a whole time-out.

        After that the sound units have the line to themselves for a few such time-outs, however many units are silent.
        """
        began_at = self.clock()
        if self.gathered.replies and began_at < self.link.sound_until:
            return
        for one in sorted(resting, key=lambda one: one.silence.resume_at or NEVER):
            if await self._ask(one) is not Verdict.READ:
                ended_at = self.clock()
                self.link.sound_until = ended_at + SOUND_FOR * (ended_at - began_at)
                return

    async def _ask(self, one: UnitLink) -> Verdict:
        """One unit's part of the poll."""
        work = UnitPoll(one, self.link, self.pace, self.gathered, self.clock)
        self.done.append(work)
        one.forget_cuts(self.gathered.started_at)
        is_probe = one.silence.is_on or self.link.outage.is_lasting
        try:
            if one.needs_chain:
                await work.find_models()
            if is_probe:
                await probe_alone(work)
            if one.lifeline is not None:
                await hold_on_to_lifeline(work)
            await work.ask_blocks(cheapest_first=is_probe)
        except Over:
            await self._after_silence(work)
        else:
            if work.refused or one.refusals.by_point:
                await self._see_to_refusals(work)
        work.end()
        return work.verdict

    async def _see_to_refusals(self, work: UnitPoll) -> None:
        """Narrow down what was refused now, and give what was refused before its daily chance."""
        with suppress(Over):
            await find_lifeline(work)
            await search(work)
            await retry_refused(work)

    async def _after_silence(self, work: UnitPoll) -> None:
        """A unit that answered exceptions before it fell silent lives: then one of its blocks is at fault."""
        if work.refused:
            with suppress(Over):
                await find_lifeline(work)
        await suspect(work)

    async def _seems_gone(self) -> bool:
        """Two units in a row were silent: is it the gateway? Then the others would only cost their time-outs."""
        doubtful = [work for work in self.done[-SILENT_UNITS_BEFORE_DOUBT:] if work.lacks_proof]
        return len(doubtful) == SILENT_UNITS_BEFORE_DOUBT and not await self._still_lives()

    async def _make_sure(self) -> None:
        """Before a unit is called silent, see that the gateway has not died in the middle of the poll."""
        if any(work.lacks_proof and work.one.silence.is_to_be_told for work in self.done):
            await self._still_lives()

    async def _still_lives(self) -> bool:
        """Ask again for what was answered last."""
        if self.gathered.proof is None:
            return False
        unit_id, block = self.gathered.proof
        try:
            await self.link.connection.read_bytes(unit_id, block.table, block.address, block.count)
        except ExceptionReply:
            pass
        except PollError:
            self.is_gone = True
            return False
        self.gathered.replies += 1
        return True


def _misses(one: UnitLink) -> int:
    return one.misses


def _hope(one: UnitLink) -> tuple[int, float]:
    """Which unit is the likeliest to answer: the one that did last, unless it was asked in vain since."""
    return one.misses, -one.answered_at.timestamp()


def _newest(samples: Iterable[Sample]) -> list[Sample]:
    return list({sample.data_point_id: sample for sample in samples}.values())


def _outcome(samples: Sequence[Sample], errors: Sequence[str]) -> Outcome:
    if not samples:
        return Outcome.FAILED
    return Outcome.PARTIAL if errors else Outcome.OK
