"""The APScheduler jobs: one poll job per gateway, at an exact period and a phase of its own."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic, perf_counter
from typing import Any

import numpy as np
from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_SUBMITTED, JobSubmissionEvent
from sqlalchemy.exc import SQLAlchemyError

from models.database import Database
from models.events import EventKind, Severity, log_event
from models.polls import Poll
from poller.job_timer import JobScheduler
from poller.modbus import Connection
from poller.plan import GatewayPlan
from poller.plans import Known, NewPlans, PlanWatch
from poller.poll import Link, poll_gateway
from poller.runs import Runs, elapsed_s
from poller.spool import Spool
from poller.steady_clock import SteadyClock, utc_now
from poller.trigger import PhaseTrigger
from poller.upkeep import Upkeep
from poller.write import PendingWrites
from poller.writer import Writer
from realtime.broker import Publisher
from settings import Settings

logger = logging.getLogger(__name__)

LATENESSES_KEPT = 1000
JOB_PREFIX = "gateway-"
CLOCK_JUMP_S = 2.0
OVERDUE_S = 1.0  # a run so late follows a jump of the clock, a suspend or a standstill
LONGEST_WAIT_S = 60.0  # of a gateway for its next phase
WATCH_INTERVAL_S = 0.5
FINISH_IN_S = 0.4  # polls in flight may end by themselves in this time; then they are abandoned
FLUSH_IN_S = 0.8  # together with the polls less than a child is given to end


@dataclass
class _Polled:
    """A gateway under polling: the plan in force and what is remembered between its polls."""

    plan: GatewayPlan
    link: Link
    runs: Runs
    in_flight: "asyncio.Future[Poll | None] | None" = None
    is_slow: bool = False  # a poll once took longer than the interval
    is_overdue: bool = False  # the run to come was due long ago
    was_left_out: bool = False


class Poller:
    """Polls every enabled gateway of the database; `run` until `stop` is set, in a loop of its own.

    loaded: called whenever plans have been taken over.
    """

    def __init__(
        self,
        database: Database,
        broker: Publisher,
        settings: Settings,
        clock: Callable[[], datetime] = utc_now,
        loaded: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._read_clock = SteadyClock(clock)
        self._plans = PlanWatch(database)
        self._loaded = loaded
        self._spool = Spool(settings.data_folder, settings.spool_mb)
        self._writer = Writer(
            database, broker, self._spool, settings.store_queue_polls, self._plan_of, settings.broker_url
        )
        self._writes = PendingWrites(database, self._line_to, clock)
        self._upkeep = Upkeep(database, broker, settings, self._writer, self._heard_at, clock)
        self._polled: dict[int, _Polled] = {}
        self._lateness_ms: deque[float] = deque(maxlen=LATENESSES_KEPT)
        self._scheduler = JobScheduler()
        self._scheduler.add_listener(self._note_start, EVENT_JOB_SUBMITTED)
        self._scheduler.add_listener(self._note_slow, EVENT_JOB_MAX_INSTANCES)

    async def run(self, stop: asyncio.Event) -> None:
        """Poll until `stop` is set; then store what has been read and close every connection, within two seconds."""
        self._writer.start()
        self._scheduler.start()
        self._upkeep.add_jobs(self._scheduler)
        try:
            await self._watch(stop)
        finally:
            self._upkeep.end()
            self._scheduler.shutdown(wait=False)
            await asyncio.gather(self._writes.close(), self._end_polls())
            await asyncio.to_thread(self._writer.stop, FLUSH_IN_S)

    def report(self) -> dict[str, Any]:
        """How polling is, for health checks."""
        polled = list(self._polled.values())
        counters = [one.link.connection.counters for one in polled]
        return {
            "running": self._scheduler.running and self._plans.is_loaded,
            "gateways": len(polled),
            **self._writer.report(),
            "expected_polls": sum(one.runs.expected for one in polled),
            "done_polls": sum(one.runs.done for one in polled),
            "held_polls": sum(one.runs.held for one in polled),
            "missed_polls": sum(one.runs.missed for one in polled),
            "late_replies": sum(one.late for one in counters),
            "lost_replies": sum(one.lost for one in counters),
            "lateness_p99_ms": round(float(np.percentile(self._lateness_ms, 99)), 1) if self._lateness_ms else None,
        }

    async def _watch(self, stop: asyncio.Event) -> None:
        """Twice a second: take over edits and writes, and notice when the clock has jumped."""
        offset_s = self._clock().timestamp() - monotonic()
        while not stop.is_set():
            try:
                plans = await asyncio.to_thread(self._plans.news)
                if plans is not None:
                    self._take_over(plans)
                await self._writes.carry_out()
            except SQLAlchemyError as error:
                logger.debug("database: cannot read the configuration (%s)", error)
            drift_s = self._clock().timestamp() - monotonic() - offset_s
            if abs(drift_s) > CLOCK_JUMP_S:
                offset_s += drift_s
                await self._clock_jumped(drift_s)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), WATCH_INTERVAL_S)

    async def _clock_jumped(self, by_s: float) -> None:
        logger.warning("clock: jumped by %+.0f s, polls are scheduled anew", by_s)
        for polled in self._polled.values():
            self._schedule(polled.plan)
        with suppress(SQLAlchemyError):
            await asyncio.to_thread(self._log_jump, by_s)

    def _log_jump(self, by_s: float) -> None:
        with self._database.write() as session:
            log_event(
                session,
                at=self._clock(),
                kind=EventKind.CLOCK_JUMPED,
                severity=Severity.LOW,
                text=f"the server's clock jumped by {by_s:+.0f} s",
                reason="set by hand, put right, or the machine slept; readings keep their order",
            )

    async def _end_polls(self) -> None:
        """Let polls in flight end by themselves for a moment, abandon the others, and close every connection."""
        in_flight = [one.in_flight for one in self._polled.values() if one.in_flight is not None]
        if in_flight:
            await asyncio.wait(in_flight, timeout=FINISH_IN_S)
        for work in in_flight:
            work.cancel()
        await asyncio.gather(*in_flight, return_exceptions=True)
        for polled in self._polled.values():
            polled.link.connection.close()

    def _take_over(self, news: NewPlans) -> None:
        for gateway_id in self._polled.keys() - news.plans.keys():
            self._forget(gateway_id)
        self._read_clock.not_before(news.newest_reading_at)
        for plan in news.plans.values():
            self._take_up(plan, news.known[plan.gateway_id])
        self._loaded()
        points = sum(len(plan.points) for plan in news.plans.values())
        logger.info("poller: %d gateways, %d data points", len(news.plans), points)

    def _forget(self, gateway_id: int) -> None:
        """Stop polling a gateway, in the middle of a poll if need be."""
        self._scheduler.remove_job(_job_id(gateway_id))
        polled = self._polled.pop(gateway_id)
        if polled.in_flight is not None:
            polled.in_flight.cancel()
        polled.link.connection.close()

    def _take_up(self, plan: GatewayPlan, known: Known) -> None:
        """Begin to poll a gateway, or go on with its new plan; a connection that still fits is kept."""
        polled = self._polled.get(plan.gateway_id)
        if polled is not None and polled.plan == plan:
            polled.plan = plan  # of a newer configuration
            return
        if polled is not None and polled.plan.line == plan.line:
            polled.plan, polled.runs, polled.is_slow = plan, Runs(plan.poll_interval_s), False
        else:
            if polled is not None:
                self._forget(plan.gateway_id)
            self._polled[plan.gateway_id] = self._begin(plan, known)
        self._schedule(plan)

    def _begin(self, plan: GatewayPlan, known: Known) -> _Polled:
        connection = Connection(plan.host, plan.port, plan.times)
        link = Link(
            connection,
            refusals=known.refusals,
            silences=known.silences,
            backoff_cap_s=self._settings.backoff_cap_s,
        )
        now, last_at = self._clock(), known.last_attempt_at
        is_known = last_at is not None and last_at <= now  # else the clock was set back in between
        last_run_s = elapsed_s() - (now - last_at).total_seconds() if last_at is not None and is_known else None
        return _Polled(plan, link, Runs(plan.poll_interval_s, last_run_s))

    def _schedule(self, plan: GatewayPlan) -> None:
        self._scheduler.add_job(
            self._poll,
            PhaseTrigger(plan.poll_interval_s, plan.gateway_id),
            args=[plan.gateway_id],
            id=_job_id(plan.gateway_id),
            name=f"poll {plan.name}",
            replace_existing=True,
        )

    async def _poll(self, gateway_id: int) -> None:
        polled = self._polled.get(gateway_id)
        if polled is None:
            return
        polled.was_left_out = polled.is_overdue and not polled.was_left_out
        if polled.was_left_out:  # it waits for its own phase, or all gateways would be polled at this instant
            return
        polled.runs.begin(elapsed_s())
        work = polled.in_flight = asyncio.ensure_future(poll_gateway(polled.plan, polled.link, self._read_clock))
        with suppress(asyncio.CancelledError):  # paused, moved or the poller ends; APScheduler would log a failure
            poll = await work
            if poll is None:
                polled.runs.hold()
            else:
                missed, held = polled.runs.finish()
                self._writer.put(replace(poll, missed_count=missed, held_count=held))
        if polled.in_flight is work:
            polled.in_flight = None

    def _plan_of(self, gateway_id: int) -> GatewayPlan | None:
        polled = self._polled.get(gateway_id)
        return None if polled is None else polled.plan

    def _line_to(self, gateway_id: int) -> tuple[GatewayPlan, Connection] | None:
        polled = self._polled.get(gateway_id)
        return None if polled is None else (polled.plan, polled.link.connection)

    def _heard_at(self) -> dict[int, datetime]:
        """When each gateway last answered; its poll may be far from its end. Called from a thread of its own."""
        now, now_s = self._clock(), perf_counter()
        heard = {key: one.link.connection.heard_at_s for key, one in list(self._polled.items())}
        return {key: now - timedelta(seconds=now_s - at_s) for key, at_s in heard.items() if at_s is not None}

    def _note_start(self, event: JobSubmissionEvent) -> None:
        if event.job_id.startswith(JOB_PREFIX):
            late = self._clock() - event.scheduled_run_times[-1]
            self._lateness_ms.append(late / timedelta(milliseconds=1))
            polled = self._polled.get(int(event.job_id.removeprefix(JOB_PREFIX)))
            if polled is not None:
                is_short = polled.plan.poll_interval_s <= LONGEST_WAIT_S
                polled.is_overdue = is_short and late > timedelta(seconds=OVERDUE_S)

    def _note_slow(self, event: JobSubmissionEvent) -> None:
        """A run came while the gateway's previous poll was still going on; the next one counts it as missed."""
        if not event.job_id.startswith(JOB_PREFIX):
            return
        polled = self._polled.get(int(event.job_id.removeprefix(JOB_PREFIX)))
        if polled is not None:
            level = logging.DEBUG if polled.is_slow else logging.WARNING
            polled.is_slow = True
            logger.log(level, "gateway %s: a poll takes longer than its interval", polled.plan.name)


def _job_id(gateway_id: int) -> str:
    return f"{JOB_PREFIX}{gateway_id}"
