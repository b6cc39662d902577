"""Our poller without its store, in a process of its own: the scheduler, the trigger and the poll of the product.

    python benchmarks/polling_schedule.py --port PORT --gateways N [--dead NUMBER]

It answers two questions, given as JSON lines: {"warm_s": 3, "measure_s": 8} runs every gateway at its period and says
how late the polls began; {"polls": 5000} polls as fast as it goes and says what the process holds on to.
"""

import argparse
import asyncio
import gc
import json
import logging
import math
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from pathlib import Path
from statistics import quantiles
from time import perf_counter, process_time
from typing import Any

import psutil
from apscheduler.events import EVENT_JOB_SUBMITTED, JobSubmissionEvent

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this is run as a script

from benchmarks.lean_simulator import SPARE_DESCRIPTORS, allow_descriptors
from benchmarks.polling_plans import INTERVAL_S, link_of, plan_of
from benchmarks.polling_points import WrongValue, check, values_of
from models.polls import Poll
from poller.garbage import collect_rarely, set_apart
from poller.job_timer import JobScheduler
from poller.loop import new_event_loop
from poller.plan import GatewayPlan
from poller.poll import Link, poll_gateway
from poller.trigger import PhaseTrigger

GROWTH_STEPS = 10
LONGEST_POLL_S = 15.0  # four replies of a mobile link
NEVER_AT = datetime.max.replace(tzinfo=UTC)

Figures = dict[str, Any]


@dataclass
class Polled:
    """A gateway under polling."""

    plan: GatewayPlan
    link: Link
    expected: list[float]
    due_at: datetime = NEVER_AT


@dataclass
class Tally:
    """The polls that began in the measured span; a dead gateway's are not among them."""

    late_ms: list[float] = field(default_factory=list)
    duration_ms: list[float] = field(default_factory=list)
    failed: int = 0
    is_idle: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def in_flight(self) -> int:
        return len(self.late_ms) - len(self.duration_ms) - self.failed

    def figures(self, expected: int) -> Figures:
        return {
            "begun_share": len(self.late_ms) / expected,
            "failed": self.failed + self.in_flight,
            **percentiles("late", self.late_ms),
            **percentiles("duration", self.duration_ms),
        }


def percentiles(name: str, times_ms: Sequence[float]) -> Figures:
    ranked = quantiles(times_ms, n=100, method="inclusive") if len(times_ms) > 1 else [math.nan] * 99
    worst_ms = max(times_ms, default=math.nan)
    return {f"{name}_p50_ms": ranked[49], f"{name}_p99_ms": ranked[98], f"{name}_worst_ms": worst_ms}


class Schedule:
    """One job per gateway, with the options of the product."""

    def __init__(self, gateways: Sequence[Polled], dead: int | None) -> None:
        self._gateways = {str(gateway.plan.gateway_id): gateway for gateway in gateways}
        self._dead_id = None if dead is None else dead + 1
        self._tally = Tally()
        self._wrong: WrongValue | None = None
        self._scheduler = JobScheduler()
        self._scheduler.add_listener(self._note_due, EVENT_JOB_SUBMITTED)

    async def run(self, warm_s: float, measure_s: float) -> Figures:
        for job_id, gateway in self._gateways.items():
            trigger = PhaseTrigger(gateway.plan.poll_interval_s, gateway.plan.gateway_id)
            self._scheduler.add_job(self._poll, trigger, args=[gateway], id=job_id)
        self._scheduler.start()
        await asyncio.sleep(warm_s)
        self._tally, cpu_s, waited_s, started = Tally(), process_time(), queued_s(), perf_counter()
        await asyncio.sleep(measure_s)
        took_s, tally = perf_counter() - started, self._tally
        shares = {"cpu_share": (process_time() - cpu_s) / took_s, "queued_share": (queued_s() - waited_s) / took_s}
        self._tally = Tally()
        self._scheduler.remove_all_jobs()
        await _finish(tally)
        await _finish(self._tally)
        self._scheduler.shutdown(wait=False)
        if self._wrong is not None:
            raise self._wrong
        others = len(self._gateways) - (self._dead_id is not None)
        return tally.figures(round(others * took_s / INTERVAL_S)) | shares | memory()

    def _note_due(self, event: JobSubmissionEvent) -> None:
        self._gateways[event.job_id].due_at = event.scheduled_run_times[-1]

    async def _poll(self, gateway: Polled) -> None:
        """One poll; late by what passed between its due time and its first line."""
        late_ms = (datetime.now(UTC) - gateway.due_at) / timedelta(milliseconds=1)
        is_judged, tally = gateway.plan.gateway_id != self._dead_id, self._tally
        if is_judged:
            tally.late_ms.append(late_ms)
        with suppress(asyncio.CancelledError):  # the run is over
            poll = await poll_gateway(gateway.plan, gateway.link)
            if is_judged:
                self._judge(gateway, poll, tally)

    def _judge(self, gateway: Polled, poll: Poll | None, tally: Tally) -> None:
        if poll is None or poll.error:
            tally.failed += 1
        else:
            tally.duration_ms.append(poll.duration_ms)
            try:
                check_poll(poll, gateway)
            except WrongValue as error:  # a job's error would only be logged
                self._wrong = error
        if not tally.in_flight:
            tally.is_idle.set()


async def _finish(tally: Tally) -> None:
    """Let the polls end that have begun."""
    if tally.in_flight:
        tally.is_idle.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(tally.is_idle.wait(), LONGEST_POLL_S)


def queued_s() -> float:
    """How long this thread was ready to run while others had its core: whether the machine was quiet."""
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9


def memory() -> Figures:
    used = psutil.Process().memory_full_info()
    return {"rss_mb": used.rss / 1e6, "uss_mb": used.uss / 1e6}


async def grow(gateways: Sequence[Polled], polls: int) -> Figures:
    """Poll so often in all, as fast as it goes, and say what was held after each tenth of it."""
    held = []
    for _ in range(GROWTH_STEPS):
        await asyncio.gather(*(_poll_often(one, polls // GROWTH_STEPS // len(gateways)) for one in gateways))
        held.append(_held())
    return {"polls": polls // GROWTH_STEPS // len(gateways) * len(gateways) * GROWTH_STEPS, "held": held}


def check_poll(poll: Poll, gateway: Polled) -> None:
    """Raise WrongValue unless every point has its value; a block that lately failed is read after the others."""
    samples = sorted(poll.samples, key=attrgetter("data_point_id"))
    check([sample.value for sample in samples], gateway.expected, gateway.plan.host)


async def _poll_often(gateway: Polled, polls: int) -> None:
    for _ in range(polls):
        poll = await poll_gateway(gateway.plan, gateway.link)
        if poll is None or poll.error:
            raise RuntimeError(f"{gateway.plan.host}: {poll and poll.error}")
        check_poll(poll, gateway)


def _held() -> Figures:
    gc.collect()
    counts = {"descriptors": psutil.Process().num_fds(), "tasks": len(asyncio.all_tasks())}
    return counts | {"objects": len(gc.get_objects())} | memory()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--gateways", type=int, default=100)
    parser.add_argument("--dead", type=int, help="the number of a gateway whose polls are not judged")
    parser.add_argument("--core", type=int)
    wanted = parser.parse_args()
    if wanted.core is not None:
        os.sched_setaffinity(0, {wanted.core})
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # as the product does
    allow_descriptors(wanted.gateways + SPARE_DESCRIPTORS)
    collect_rarely()
    gateways = [polled(number, wanted.port) for number in range(wanted.gateways)]
    set_apart()
    print(json.dumps(memory()), flush=True)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        for line in sys.stdin:
            question = json.loads(line)
            work = (
                grow(gateways, **question) if "polls" in question else Schedule(gateways, wanted.dead).run(**question)
            )
            print(json.dumps(runner.run(work)), flush=True)


def polled(number: int, port: int) -> Polled:
    plan = plan_of(number, port)
    return Polled(plan, link_of(plan), values_of(number))


if __name__ == "__main__":
    main()
