"""A clock that is put right by a year must not hold up polling while past runs are gone through."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from models.database import Database
from poller.spool import Spool
from poller.upkeep import Upkeep
from poller.writer import Writer
from realtime.broker import MemoryBroker
from settings import Settings

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
YEAR = timedelta(days=365)


def _jobs(database: Database, settings: Settings, folder: Path) -> list[Any]:
    broker = MemoryBroker()
    writer = Writer(database, broker, Spool(folder, 1), 10, lambda _: None)
    scheduler = AsyncIOScheduler(timezone=UTC)
    Upkeep(database, broker, settings, writer, dict, lambda: NOW).add_jobs(scheduler)
    return list(scheduler.get_jobs())


def test_after_a_jump_of_a_year_no_job_goes_through_the_runs_in_between(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    for job in _jobs(database, settings, tmp_path):
        assert job.trigger.get_next_fire_time(NOW, NOW + YEAR) > NOW + YEAR, job.id
