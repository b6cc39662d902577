"""APScheduler's asyncio scheduler, waking up once per due job."""

from datetime import UTC

from apscheduler.executors.asyncio import AsyncIOExecutor
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler

SHORTEST_WAIT_S = 0.002  # of a thousand gateways several are due in this time: one look at the jobs serves them all
ROUNDING_S = 0.0006  # uvloop's timers count in whole milliseconds and may ring too early


class JobScheduler(AsyncIOScheduler):  # type: ignore[misc]  # APScheduler has no types
    """Jobs that poll run in the loop; "review" and "upkeep" are threads of their own.

    Woken up a little before a job is due, APScheduler looks through its jobs again and again until it is: four and a
    half times per job as measured with uvloop, half of the CPU that it takes.
    """

    def __init__(self) -> None:
        super().__init__(
            timezone=UTC,
            executors={"default": AsyncIOExecutor(), "review": ThreadPoolExecutor(1), "upkeep": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def _start_timer(self, wait_seconds: float | None) -> None:
        super()._start_timer(None if wait_seconds is None else max(SHORTEST_WAIT_S, wait_seconds + ROUNDING_S))
