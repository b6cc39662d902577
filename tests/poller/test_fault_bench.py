"""Each fault of a reply in each phase of a poll: what is stored, counted and said, and that the next poll is whole."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import product

import pytest

from models.events import EventKind
from models.gateways import Outcome
from tests.poller.fault_bench import IN_TIME_S, PERIOD_S, TOO_LATE_S, Bench, places_read
from tests.poller.fault_frames import Fault, Step
from tests.poller.fault_plant import ALL_PLACES, REQUESTS, UNITS, Place, places

LONGEST_REST = 3  # periods, until a unit that was silent twice is asked again
AWAY_S = 0.1  # of a reboot that is over before the poll gives up


class Loses(Enum):
    """What a poll may miss because of one spoilt reply."""

    NOTHING = auto()
    BLOCK = auto()  # the one whose reply was spoilt
    REST = auto()  # that one and what comes after it in its unit: a unit that is silent is asked no further
    ALL = auto()  # the gateway has gone


@dataclass(frozen=True)
class Case:
    """A fault and what must follow. extra: requests beyond those of a healthy poll, less those not made."""

    step: Step
    loses: Loses
    words: str = ""  # in the poll's error
    late: int = 0
    lost: int = 0
    exceptions: tuple[int, ...] = ()
    extra: int = 0

    @property
    def name(self) -> str:
        number = f" {self.step.argument:g}" if self.step.argument else ""
        return f"{self.step.fault.name.lower()}{number}"


@dataclass(frozen=True)
class Phase:
    """Where in a poll the spoilt request comes."""

    name: str
    request: int  # its number in the poll
    unit_id: int
    block: int  # its number in the unit
    is_fresh: bool = False  # first of a new connection
    is_probe: bool = False  # the unit was silent in the poll before

    def missing(self, loses: Loses) -> set[Place]:
        if loses is Loses.ALL:
            return ALL_PLACES
        starts = UNITS[self.unit_id][self.block :]
        return places(self.unit_id, *{Loses.NOTHING: (), Loses.BLOCK: starts[:1], Loses.REST: starts}[loses])

    def left_unasked(self, loses: Loses) -> int:
        return len(UNITS[self.unit_id]) - self.block - 1 if loses is Loses.REST else 0


def silent(fault: Fault, argument: float = 0.0, late: int = 0) -> Case:
    """No valid answer in time."""
    return Case(Step(fault, argument), Loses.REST, "silent, no valid answer in", late=late, lost=1 - late)


def unfit(fault: Fault, words: str, argument: float = 0.0) -> Case:
    """A reply that does not fit, recognised at once."""
    return Case(Step(fault, argument), Loses.BLOCK, words, lost=1)


def harmless(fault: Fault, argument: float = 0.0) -> Case:
    return Case(Step(fault, argument), Loses.NOTHING)


def asked_again(fault: Fault, argument: float = 0.0) -> Case:
    """The connection broke: a new one is opened, and the same is asked on it."""
    return Case(Step(fault, argument), Loses.NOTHING, lost=1, extra=1)


def refused(code: int, words: str) -> Case:
    """For good, says the device, but only of the whole: the block is read in halves."""
    return Case(Step(Fault.EXCEPTION, code), Loses.NOTHING, words, exceptions=(code,), extra=2)


def busy(code: int) -> Case:
    return Case(Step(Fault.EXCEPTION, code), Loses.NOTHING, exceptions=(code,), extra=1)


def excepted(code: int, loses: Loses, words: str) -> Case:
    return Case(Step(Fault.EXCEPTION, code), loses, words, exceptions=(code,))


CASES = [
    harmless(Fault.NONE),
    harmless(Fault.DELAY, IN_TIME_S),
    harmless(Fault.DRIP, 0.002),
    harmless(Fault.GLUED),
    harmless(Fault.DUPLICATE),
    harmless(Fault.EARLY),
    silent(Fault.DROP),
    silent(Fault.DELAY, TOO_LATE_S, late=1),
    silent(Fault.DRIP, 0.02, late=1),
    silent(Fault.WRONG_TRANSACTION),
    silent(Fault.SHORT_FRAME),
    silent(Fault.HALF_OPEN),
    silent(Fault.CROSSED, 0.16),
    unfit(Fault.WRONG_UNIT, "answered"),
    unfit(Fault.WRONG_FUNCTION, "answered function"),
    unfit(Fault.WRONG_EXCEPTION, "answered function", 2),
    unfit(Fault.WRONG_PROTOCOL, "no Modbus TCP"),
    unfit(Fault.WRONG_BYTE_COUNT, "as its byte count"),
    unfit(Fault.BYTES_MISSING, "answered"),
    unfit(Fault.ONE_TOO_MANY, "answered function"),
    unfit(Fault.ONE_TOO_FEW, "answered function"),
    unfit(Fault.GARBAGE, "no Modbus TCP"),
    asked_again(Fault.RESET),
    asked_again(Fault.CUT),
    asked_again(Fault.REBOOT, AWAY_S),
    refused(1, "exception 1 (illegal function)"),
    refused(2, "exception 2 (illegal data address)"),
    refused(3, "exception 3 (illegal data value)"),
    excepted(4, Loses.BLOCK, "exception 4 (device failure)"),
    busy(5),
    busy(6),
    excepted(10, Loses.REST, "the gateway says it has no path to the meter (exception 10)"),
    excepted(11, Loses.REST, "the gateway says the meter did not respond (exception 11)"),
]
PHASES = [
    Phase("first request", 1, 1, 0, is_fresh=True),
    Phase("middle block", 2, 1, 1),
    Phase("last block of a unit", 3, 1, 2),
    Phase("second unit", 4, 2, 0),
    Phase("last block of all", 5, 2, 1),
    Phase("probe of a silent unit", 4, 2, 0, is_probe=True),
]
BROKEN = (Fault.RESET, Fault.CUT, Fault.REBOOT)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


def arrive(bench: Bench, phase: Phase) -> None:
    """Bring the link to where the phase begins."""
    if not phase.is_fresh:
        assert places_read(bench.poll()) == ALL_PLACES
        bench.wait(PERIOD_S)
    if phase.is_probe:
        gone = Step(Fault.EXCEPTION, 11)
        poll = bench.poll(lambda asked: gone if asked.unit_id == phase.unit_id else Step())
        assert places_read(poll) == ALL_PLACES - places(phase.unit_id, *UNITS[phase.unit_id])
        bench.wait(PERIOD_S)


def expected(case: Case, phase: Phase) -> Case:
    """A connection that breaks at once is not one that has gone stale: it is not opened again in the same poll."""
    if not phase.is_fresh or case.step.fault not in BROKEN:
        return case
    if case.step.fault is Fault.REBOOT:
        return replace(case, loses=Loses.ALL, words="connection refused", extra=0)
    return replace(case, loses=Loses.REST, words="closed the connection", extra=0)


@pytest.mark.parametrize(
    ("phase", "case"),
    [pytest.param(phase, case, id=f"{phase.name}-{case.name}") for phase, case in product(PHASES, CASES)],
)
def test_a_spoilt_reply_costs_no_more_than_it_must(bench: Bench, phase: Phase, case: Case) -> None:
    arrive(bench, phase)
    case, before = expected(case, phase), bench.counts()
    is_told = phase.is_probe and case.loses is Loses.REST
    spoilt = bench.poll({phase.request: case.step})
    assert places_read(spoilt) == ALL_PLACES - phase.missing(case.loses)
    assert spoilt.outcome is outcome_of(case)
    assert case.words in spoilt.error and bool(spoilt.error) is bool(case.words)
    assert [note.kind for note in spoilt.notes] == ([EventKind.UNIT_SILENT] if is_told else [])
    assert spoilt.request_count == requests_of(case, phase)

    bench.settle_until(lambda: bench.counts().since(before).late == case.late)
    bench.settle(AWAY_S if case.loses is Loses.ALL else 0)
    healthy = bench.poll_after(LONGEST_REST if is_told else 1)
    assert (places_read(healthy), healthy.error, healthy.outcome) == (ALL_PLACES, "", Outcome.OK)
    assert [note.kind for note in healthy.notes] == ([EventKind.UNIT_ANSWERS] if is_told else [])

    bench.connection.close()
    counted = bench.counts().since(before)
    assert (counted.late, counted.lost) == (case.late, case.lost)
    assert counted.exceptions == {code: case.exceptions.count(code) for code in case.exceptions}
    assert counted.requests == counted.replies + counted.late + counted.lost


def outcome_of(case: Case) -> Outcome:
    if case.loses is Loses.ALL:
        return Outcome.FAILED
    return Outcome.PARTIAL if case.words else Outcome.OK


def requests_of(case: Case, phase: Phase) -> int:
    """How many the poll takes. Before a unit that was silent twice is told of, the gateway must prove that it lives."""
    if case.loses is Loses.ALL:
        return phase.request
    proof = int(phase.is_probe and case.loses is Loses.REST and not case.exceptions)
    return REQUESTS + case.extra - phase.left_unasked(case.loses) + proof
