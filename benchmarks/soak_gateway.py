"""One gateway of a soak as it is polled, with every value examined, and what the polling process holds meanwhile."""

import asyncio
import gc
import math
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from models.gateways import Outcome
from models.polls import Poll
from poller.modbus import LISTEN_FOR, Connection, LinkTimes
from poller.poll import Link, poll_gateway
from tests.poller.fault_frames import GENERATIONS, generation_of
from tests.poller.fault_plant import UPTIME, is_of_its_place, make_plan, place_of

HOST = "127.0.0.1"
TIMES = LinkTimes(connect_s=0.5, first_s=0.3, shortest_s=0.15, longest_s=0.5)
LISTENS_S = max(TIMES.longest_s, LISTEN_FOR * TIMES.first_s)  # for a late reply
PERIOD_S = 0.1  # of the healthy ones
CLOCK_FACTOR = 10_000  # a day takes nine seconds
HELD_BACK_S = 0.005
START = datetime(2026, 1, 1, tzinfo=UTC)
WARM_AFTER = 0.2  # of all polls


@dataclass
class Budget:
    """How many polls are still to be done by all together."""

    total: int
    done: int = 0

    @property
    def is_spent(self) -> bool:
        return self.done >= self.total

    @property
    def is_warm(self) -> bool:
        return self.done >= self.total * WARM_AFTER


class Polled:
    """One gateway, its link, and what its polls have brought."""

    def __init__(self, gateway_id: int, port: int) -> None:
        self.connection = Connection(HOST, port, TIMES)
        self.outcomes: Counter[Outcome] = Counter()
        self.held_back = 0
        self.readings = 0
        self.wrong: list[str] = []
        self.has_read = bytearray(GENERATIONS)  # 1: a block of this generation was read
        self.latenesses_ms: list[float] = []
        self.told_requests = self.told_late = self.told_lost = 0  # by the polls
        self._plan = make_plan(port, TIMES, gateway_id)
        self._link = Link(self.connection)
        self._began = time.monotonic()
        self._generation = 0  # of the newest block

    async def poll(self) -> Poll | None:
        poll = await poll_gateway(self._plan, self._link, self._clock)
        if poll is None:
            self.held_back += 1
            return None
        self.outcomes[poll.outcome] += 1
        self.readings += len(poll.samples)
        self.told_requests += poll.request_count
        self.told_late += poll.late_count
        self.told_lost += poll.lost_count
        self._examine(poll)
        return poll

    async def poll_without_pause(self, budget: Budget) -> None:
        while not budget.is_spent:
            if await self.poll() is None:
                await asyncio.sleep(HELD_BACK_S)
            else:
                budget.done += 1
                await asyncio.sleep(0)

    async def poll_in_time(self, budget: Budget) -> None:
        """At an exact period; how late each poll begins is noted. What was missed is not made up for."""
        due = time.monotonic() + PERIOD_S
        while not budget.is_spent:
            await asyncio.sleep(max(due - time.monotonic(), 0))
            self.latenesses_ms.append((time.monotonic() - due) * 1000)
            await self.poll()
            budget.done += 1
            due += PERIOD_S * max(math.ceil((time.monotonic() - due) / PERIOD_S), 1)

    async def poll_at_last(self) -> None:
        """Poll once, however long it is held back."""
        while await self.poll() is None:  # noqa: ASYNC110 - there is nothing to wait for but time
            await asyncio.sleep(HELD_BACK_S)

    def _clock(self) -> datetime:
        return START + timedelta(seconds=(time.monotonic() - self._began) * CLOCK_FACTOR)

    def _examine(self, poll: Poll) -> None:
        """Every value names its own place, and each block is newer than the one before it."""
        for sample in sorted(poll.samples, key=lambda sample: sample.read_at_ms):
            if not is_of_its_place(sample):
                self.wrong.append(f"{sample.value} at {place_of(sample)}")
            elif place_of(sample) != UPTIME:
                self._note(generation_of(int(sample.value or 0)))

    def _note(self, generation: int) -> None:
        """The values of one block share a generation."""
        if generation != self._generation and (generation - self._generation) % GENERATIONS > GENERATIONS // 2:
            self.wrong.append(f"generation {generation} after {self._generation}")
        self._generation = generation
        self.has_read[generation] = 1


@dataclass
class Resources:
    """What this process holds: sampled while polling."""

    rss_mb: list[float] = field(default_factory=list)
    objects: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    tasks: list[int] = field(default_factory=list)

    def sample(self) -> None:
        process = psutil.Process()
        self.descriptors.append(process.num_fds())
        self.tasks.append(len(asyncio.all_tasks()))
        self.rss_mb.append(process.memory_info().rss / 1e6)
        self.objects.append(len(gc.get_objects()))

    def growth_mb(self) -> float:
        return _growth(self.rss_mb)

    def objects_grown(self) -> float:
        return _growth(self.objects)


def _growth(samples: Sequence[float]) -> float:
    """The middle of the last quarter less that of the first one: a moment's rise is none."""
    quarter = max(len(samples) // 4, 1)
    return float(np.median(samples[-quarter:]) - np.median(samples[:quarter])) if samples else 0.0
