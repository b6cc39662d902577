"""A fault server, the gateway that it plays, and one link to it that a test polls again and again."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from time import monotonic
from typing import Any, TypeVar

from models.polls import Poll
from poller.loop import new_event_loop
from poller.modbus import Connection, LinkTimes
from poller.plan import GatewayPlan
from poller.poll import Link, poll_gateway
from tests.poller.conftest import ServingThread
from tests.poller.fault_frames import Asked, Fault, Step
from tests.poller.fault_line import WHOLE_REPLIES
from tests.poller.fault_plant import Place, is_of_its_place, make_plan, place_of, wrong_samples
from tests.poller.fault_server import FaultServer

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TIMES = LinkTimes(connect_s=0.3, first_s=0.25, shortest_s=0.15, longest_s=0.35)
IN_TIME_S = 0.05  # a delay that every time-out allows
TOO_LATE_S = 0.37  # one that none allows
PERIOD_S = 1.0  # of the plan

Result = TypeVar("Result")
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@dataclass(frozen=True)
class Counts:
    """What a link has counted."""

    requests: int
    replies: int
    late: int
    lost: int
    exceptions: Mapping[int, int]

    def since(self, before: "Counts") -> "Counts":
        exceptions = Counter(self.exceptions)
        exceptions.subtract(before.exceptions)
        return Counts(
            self.requests - before.requests,
            self.replies - before.replies,
            self.late - before.late,
            self.lost - before.lost,
            {code: count for code, count in exceptions.items() if count},
        )


class Bench:
    """Polls over one link in a loop of its own; the server answers in another thread."""

    def __init__(
        self, times: LinkTimes = TIMES, release_socket: bool = False, loop_factory: LoopFactory = new_event_loop
    ) -> None:
        self._thread = ServingThread()
        self._runner = asyncio.Runner(loop_factory=loop_factory)
        self.server = FaultServer()
        self.now = NOW
        self.serve(self.server.open())
        self.plan: GatewayPlan = make_plan(self.server.port, times, release_socket=release_socket)
        self.connection = Connection(self.server.host, self.server.port, times)
        self.link = Link(self.connection, random=Random(1), busy_pauses_s=(0.02, 0.05))

    def serve(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do something in the server's loop."""
        return self._thread.run(work)

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do something in the poller's loop."""
        return self._runner.run(work)

    def play(self, script: Mapping[int, Step] | Callable[[Asked], Step]) -> None:
        self.serve(self.server.play(script))

    def poll_after(self, periods: int = 1) -> Poll:
        """Poll so many periods later with nothing amiss any more; it is done within one."""
        self.wait(periods * PERIOD_S)
        poll = self.poll()
        assert poll.duration_ms < PERIOD_S * 1000, poll.duration_ms
        return poll

    def poll(self, script: Mapping[int, Step] | Callable[[Asked], Step] | None = None) -> Poll:
        """Poll once with this script, or with nothing amiss; no wrong value passes."""
        self.play(script or {})
        poll = self.run(poll_gateway(self.plan, self.link, self.clock))
        assert poll is not None, "held back"
        wrong = wrong_samples(poll.samples, self.rightly_answered())
        assert not wrong, wrong
        assert self.server.reused == 0, "asked on a connection that can't be trusted any more"
        return poll

    def clock(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def wait(self, seconds: float) -> None:
        """Let the clock of the polls go on; nobody sleeps."""
        self.now += timedelta(seconds=seconds)

    def settle(self, seconds: float) -> None:
        """Let the loop run until what was late has come."""
        self.run(asyncio.sleep(seconds))

    def settle_until(self, is_settled: Callable[[], bool], limit_s: float = 2.0) -> None:
        """Let the loop run until something has come, or for so long."""
        give_up = monotonic() + limit_s
        while not is_settled() and monotonic() < give_up:
            self.settle(0.01)

    def counts(self) -> Counts:
        counters = self.connection.counters
        return Counts(counters.requests, counters.replies, counters.late, counters.lost, dict(counters.exceptions))

    def rightly_answered(self) -> list[Asked]:
        """The requests since the last script whose right reply came whole and in time."""
        return [
            asked
            for asked in self.server.asked
            if asked.is_answered and asked.step.fault in WHOLE_REPLIES and not _is_late(asked.step)
        ]

    def close(self) -> None:
        async def end() -> None:
            self.connection.close()
            await asyncio.sleep(0)

        self.run(end())
        self._runner.close()
        self.serve(self.server.close())
        self._thread.stop()


def places_read(poll: Poll) -> set[Place]:
    """Where the samples of a poll come from, each with the value of its own place."""
    assert all(is_of_its_place(sample) for sample in poll.samples)
    return {place_of(sample) for sample in poll.samples}


def _is_late(step: Step) -> bool:
    return step.fault is Fault.DELAY and step.argument >= TOO_LATE_S
