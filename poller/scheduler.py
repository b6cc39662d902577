"""The APScheduler jobs: one poll job per gateway at an exact period, and the upkeep of the store."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import numpy as np
from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_SUBMITTED, JobSubmissionEvent
from apscheduler.executors.asyncio import AsyncIOExecutor
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy.exc import SQLAlchemyError

from models.database import Database
from models.energy import refresh_normal_ranges
from models.gateways import Gateway, configuration_version, load_gateways
from models.polls import Poll, prune_polls, review_statuses
from models.readings import prune, settle
from poller.modbus import Connection
from poller.poll import GatewayPlan, Link, plan_gateway, poll_gateway, utc_now
from poller.trigger import PhaseTrigger
from poller.writer import Writer, status_event
from realtime.broker import Publisher
from settings import Settings

logger = logging.getLogger(__name__)

LATENESSES_KEPT = 1000
JOB_PREFIX = "gateway-"
CLOCK_JUMP_S = 2.0
WATCH_INTERVAL_S = 0.5
REVIEW_INTERVAL_S = 5.0
POLLS_KEPT = timedelta(days=30)


@dataclass
class _Polled:
    """A gateway under polling: the plan in force and what is remembered between its polls."""

    plan: GatewayPlan
    link: Link
    since_at: datetime
    done: int = 0
    skipped: int = 0

    def expected(self, now: datetime) -> int:
        return int((now - self.since_at).total_seconds() / self.plan.poll_interval_s)


class Poller:
    """Polls every enabled gateway of the database; `run` until `stop` is set, in a loop of its own."""

    def __init__(
        self, database: Database, broker: Publisher, settings: Settings, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._database = database
        self._broker = broker
        self._settings = settings
        self._clock = clock
        self._writer = Writer(database, broker, settings.store_queue_polls)
        self._polled: dict[int, _Polled] = {}
        self._version: int | None = None
        self._started_at = clock()
        self._lateness_ms: deque[float] = deque(maxlen=LATENESSES_KEPT)
        self._in_flight: dict[int, asyncio.Future[Poll]] = {}  # by gateway
        self._skipped = 0  # runs that came while the gateway's previous poll was still going on
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            executors={"default": AsyncIOExecutor(), "review": ThreadPoolExecutor(1), "upkeep": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

        self._scheduler.add_listener(self._note_start, EVENT_JOB_SUBMITTED)
        self._scheduler.add_listener(self._note_skip, EVENT_JOB_MAX_INSTANCES)

    async def run(self, stop: asyncio.Event) -> None:
        """Poll until `stop` is set; then store what has been read and close every connection."""
        self._writer.start()
        self._scheduler.start()
        self._add_upkeep()
        try:
            await self._watch(stop)
        finally:
            self._scheduler.shutdown(wait=False)
            in_flight = list(self._in_flight.values())
            for work in in_flight:
                work.cancel()
            await asyncio.gather(*in_flight, return_exceptions=True)
            for polled in self._polled.values():
                polled.link.connection.close()
            await asyncio.to_thread(self._writer.stop, 1.0)

    def report(self) -> dict[str, Any]:
        """How polling is, for health checks."""
        polled = list(self._polled.values())
        return {
            "running": self._scheduler.running and self._version is not None,
            "gateways": len(polled),
            "queued_polls": self._writer.queued_polls,
            "dropped_polls": self._writer.dropped_polls,
            "last_commit_ms": round(self._writer.last_commit_s * 1000, 1),
            "expected_polls": sum(one.expected(self._clock()) for one in polled),
            "done_polls": sum(one.done for one in polled),
            "skipped_polls": self._skipped,
            "lateness_p99_ms": round(float(np.percentile(self._lateness_ms, 99)), 1) if self._lateness_ms else None,
        }

    async def _watch(self, stop: asyncio.Event) -> None:
        """Twice a second: take over edits of the configuration, and notice when the clock has jumped."""
        offset_s = self._clock().timestamp() - monotonic()
        while not stop.is_set():
            try:
                gateways = await asyncio.to_thread(self._changed_gateways)
            except SQLAlchemyError as error:
                logger.debug("database: cannot read the configuration (%s)", error)
            else:
                if gateways is not None:
                    self._take_over(gateways)
            drift_s = self._clock().timestamp() - monotonic() - offset_s
            if abs(drift_s) > CLOCK_JUMP_S:
                logger.warning("clock: jumped by %+.0f s, polls are scheduled anew", drift_s)
                offset_s += drift_s
                for polled in self._polled.values():
                    self._schedule(polled.plan)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), WATCH_INTERVAL_S)

    def _changed_gateways(self) -> list[Gateway] | None:
        """All gateways when the configuration has changed since the last look, else None."""
        with self._database.read() as session:
            version = configuration_version(session)
            if version == self._version:
                return None
            gateways = load_gateways(session)
        self._version = version
        return gateways

    def _take_over(self, gateways: list[Gateway]) -> None:
        plans = {gateway.id: plan_gateway(gateway) for gateway in gateways if gateway.enabled}
        for gateway_id in self._polled.keys() - plans.keys():
            self._forget(gateway_id)
        for plan in plans.values():
            self._take_up(plan)
        logger.info("poller: %d gateways, %d data points", len(plans), sum(len(p.points) for p in plans.values()))

    def _forget(self, gateway_id: int) -> None:
        """Stop polling a gateway, in the middle of a poll if need be."""
        self._scheduler.remove_job(_job_id(gateway_id))
        work = self._in_flight.pop(gateway_id, None)
        if work is not None:
            work.cancel()
        self._polled.pop(gateway_id).link.connection.close()

    def _take_up(self, plan: GatewayPlan) -> None:
        """Begin to poll a gateway, or go on with its new plan; a connection that still fits is kept."""
        known = self._polled.get(plan.gateway_id)
        if known is not None and known.plan.line == plan.line:
            known.plan, known.since_at, known.done, known.skipped = plan, self._clock(), 0, 0
            self._schedule(plan)
            return
        if known is not None:
            self._forget(plan.gateway_id)
        connection = Connection(plan.host, plan.port, plan.connect_timeout_s, plan.request_timeout_s)
        self._polled[plan.gateway_id] = _Polled(plan, Link(connection), self._clock())
        self._schedule(plan)

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
        work = asyncio.ensure_future(poll_gateway(polled.plan, polled.link, self._clock))
        self._in_flight[gateway_id] = work
        with suppress(asyncio.CancelledError):  # paused, moved or the poller ends; APScheduler would log a failure
            self._writer.put(await work, polled.plan)
            polled.done += 1
        if self._in_flight.get(gateway_id) is work:
            del self._in_flight[gateway_id]

    def _note_start(self, event: JobSubmissionEvent) -> None:
        if event.job_id.startswith(JOB_PREFIX):
            late = self._clock() - event.scheduled_run_times[-1]
            self._lateness_ms.append(late / timedelta(milliseconds=1))

    def _note_skip(self, event: JobSubmissionEvent) -> None:
        if not event.job_id.startswith(JOB_PREFIX):
            return
        self._skipped += 1
        polled = self._polled.get(int(event.job_id.removeprefix(JOB_PREFIX)))
        if polled is not None:
            polled.skipped += 1
            level = logging.WARNING if polled.skipped == 1 else logging.DEBUG
            logger.log(level, "gateway %s: a poll takes longer than its interval", polled.plan.name)

    def _add_upkeep(self) -> None:
        """Jobs that keep the store in order; they run in threads, the long ones one at a time."""
        settings = self._settings
        for job, every_s, executor in (
            (self._review_statuses, REVIEW_INTERVAL_S, "review"),
            (self._settle, settings.settle_interval_s, "upkeep"),
            (self._prune, 3600, "upkeep"),
            (self._refresh_normal_ranges, 3600, "upkeep"),
        ):
            first_at = self._clock() + timedelta(seconds=min(every_s, 20))
            self._scheduler.add_job(
                job, "interval", seconds=every_s, executor=executor, id=job.__name__.strip("_"), next_run_time=first_at
            )

    def _review_statuses(self) -> None:
        with self._database.write() as session:
            changes = review_statuses(session, self._clock(), self._started_at)
        self._broker.publish([status_event(change) for change in changes])

    def _settle(self) -> None:
        settle(self._database, before=self._clock() - timedelta(seconds=60))

    def _prune(self) -> None:
        prune(self._database, before=self._clock() - timedelta(days=self._settings.retention_days))
        prune_polls(self._database, before=self._clock() - POLLS_KEPT)

    def _refresh_normal_ranges(self) -> None:
        refresh_normal_ranges(self._database, self._clock())


def _job_id(gateway_id: int) -> str:
    return f"{JOB_PREFIX}{gateway_id}"
