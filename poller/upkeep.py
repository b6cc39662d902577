"""The jobs that keep the store in order, beside polling: statuses reviewed, readings settled, rolled up and pruned."""

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from apscheduler.schedulers.base import BaseScheduler
from sqlalchemy.exc import SQLAlchemyError

from models.database import Database
from models.energy import refresh_normal_ranges
from models.polls import prune_polls, review_statuses
from models.readings import settle
from models.rescale import rescale
from models.retention import Kept, retain
from models.rollup_check import check_sample
from models.rollups import advance, work_off_marks
from models.settling import recent_is_long
from models.steps import BrokenOff, until
from poller.report_job import start_if_due
from poller.telling import telling_by
from poller.trigger import PhaseTrigger
from poller.writer import Writer, status_event
from realtime.broker import Publisher
from settings import Settings

logger = logging.getLogger(__name__)

REVIEW_INTERVAL_S = 5.0
HOUR_S = 3600.0
FIRST_AFTER_S = 20.0
KEEP_UP_INTERVAL_S = 30.0
KEEP_UP_BUDGET_S = 25.0  # then other jobs come first; the rest is done the next time
RECENT_ROWS = 300_000  # a chart of the last minutes has to look through so many at most
SETTLE_AFTER = timedelta(seconds=60)
POLLS_KEPT = timedelta(days=30)


class Upkeep:
    """Its jobs run in threads: the executor "review" for the quick one, "upkeep" for the long ones, one at a time.

    heard_at: when each gateway last answered a request, by id.
    """

    def __init__(
        self,
        database: Database,
        broker: Publisher,
        settings: Settings,
        writer: Writer,
        heard_at: Callable[[], Mapping[int, datetime]],
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._telling = telling_by(settings.broker_url, broker, database)
        self._settings = settings
        self._writer = writer
        self._heard_at = heard_at
        self._clock = clock
        self._started_at = clock()
        self._ending = threading.Event()

    def add_jobs(self, scheduler: BaseScheduler) -> None:
        jobs = (
            (self.review_statuses, REVIEW_INTERVAL_S, "review"),
            (self.keep_up, KEEP_UP_INTERVAL_S, "upkeep"),
            (self.prune, HOUR_S, "upkeep"),
            (self.check_rollups, HOUR_S, "upkeep"),
            (self.refresh_normal_ranges, HOUR_S, "upkeep"),
            (self.make_reports, HOUR_S, "upkeep"),
        )
        for number, (job, every_s, executor) in enumerate(jobs):
            first_at = self._clock() + timedelta(seconds=min(every_s, FIRST_AFTER_S))
            trigger = PhaseTrigger(every_s, number)  # APScheduler's own would go through all runs of a year's jump
            scheduler.add_job(
                self._attempt, trigger, args=[job], executor=executor, id=job.__name__, next_run_time=first_at
            )

    def end(self) -> None:
        """Break long work off at its next step: the process can't end before its threads."""
        self._ending.set()

    def review_statuses(self) -> None:
        """A gateway whose polls hang, or that was paused, changes its status without the end of a poll.

        Not while polls wait to be stored: then the database does not know how the gateways are.
        """
        if self._writer.is_behind:
            return
        with self._database.write() as session:
            changes = review_statuses(session, self._clock(), self._started_at, self._heard_at())
            events = list(map(status_event, changes))
            self._telling.record(session, events)
        self._telling.publish(events)

    def keep_up(self) -> None:
        """Roll up what is over, then what came late; settle what has come since, before it is too much."""
        now = self._clock()
        rescale(self._database)
        advance(self._database, now, KEEP_UP_BUDGET_S)
        work_off_marks(self._database, now, KEEP_UP_BUDGET_S)
        self.settle_in_time()

    def settle_in_time(self) -> None:
        before = self._clock() - SETTLE_AFTER
        oldest = before - timedelta(seconds=self._settings.settle_interval_s)
        if recent_is_long(self._database, before, oldest, RECENT_ROWS):
            settle(self._database, before)

    def prune(self) -> None:
        settings = self._settings
        kept = Kept(
            settings.retention_days,
            settings.rollup_minute_days,
            settings.rollup_quarter_days,
            settings.rollup_hour_days,
        )
        retain(self._database, self._clock(), kept)
        prune_polls(self._database, before=self._clock() - POLLS_KEPT)

    def check_rollups(self) -> None:
        for difference in check_sample(self._database, self._clock()).differences:
            logger.error(
                "rollups: %d rows of point %d were wrong, computed anew (%s)",
                difference.count,
                difference.point,
                difference.example,
            )

    def refresh_normal_ranges(self) -> None:
        refresh_normal_ranges(self._database, self._clock())

    def make_reports(self) -> None:
        start_if_due(self._database, self._settings, self._clock())

    def _attempt(self, job: Callable[[], None]) -> None:
        """A job that the database does not allow now, or that is broken off, is due again anyway."""
        if self._ending.is_set():
            return
        try:
            with until(self._ending.is_set):
                job()
        except SQLAlchemyError as error:
            logger.warning("upkeep: %s has to wait (%s)", job.__name__, str(error).partition("\n")[0])
        except BrokenOff:
            logger.debug("upkeep: %s was broken off", job.__name__)
