"""A small plant whose polls are made up, for the tests of how polls are stored; also in processes that get killed."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sqlalchemy import select

from models.configuration import NewDevice, add_gateway, first_site
from models.database import Database, to_ms
from models.gateways import Gateway, Outcome, load_gateways
from models.link_settings import LinkSettings
from models.polls import Poll, PollRow
from models.readings import Quality, Sample
from poller.plan import GatewayPlan, plan_gateway
from poller.spool import Spool
from poller.writer import Writer
from realtime.events import Event

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LARGE_MB = 64.0

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.models.children", __name__])


class Recorder:
    """A publisher that keeps what it is given."""

    def __init__(self) -> None:
        self.batches: list[Sequence[Event]] = []

    def publish(self, events: Sequence[Event]) -> None:
        self.batches.append(list(events))

    def health(self) -> dict[str, Any]:
        return {"is_up": True}

    @property
    def events(self) -> list[Event]:
        return [event for batch in self.batches for event in batch]

    def readings(self) -> list[tuple[int, int]]:
        """Point and time of what was told."""
        told = [event.facts["reading"]["id"] for event in self.events if event.name == "reading.new"]
        return [(int(point), int(at_ms)) for point, at_ms in (one.split("-") for one in told)]


def add_plant(database: Database, name: str = "North") -> GatewayPlan:
    """A gateway with a router and a meter, and its plan."""
    with database.write() as session:
        gateway = add_gateway(
            session,
            first_site(session, "Plant", "Europe/Berlin"),
            name=name,
            host=f"{name}.plant",
            port=502,
            area="",
            poll_interval_s=1.0,
            link=LinkSettings(),
            devices=[NewDevice(1, "teltonika-rutos", "Router"), NewDevice(2, "carlo-gavazzi-em340", "Meter")],
            now=NOON,
        )
        gateway_id = gateway.id
    return plans_of(database)[gateway_id]


def plans_of(database: Database) -> dict[int, GatewayPlan]:
    with database.read() as session:
        return {gateway.id: plan_gateway(gateway) for gateway in load_gateways(session)}


def made_poll(plan: GatewayPlan, number: int, **values: float | str | None) -> Poll:
    """The n-th poll, n seconds after noon, with these values by key; the others follow from the number."""
    at = NOON + timedelta(seconds=number)
    samples = [
        _sample(point.id, to_ms(at), values.get(point.key, float(number)))
        for point in plan.points.values()
        if point.kind.value != "text" or point.key in values
    ]
    return Poll(plan.gateway_id, at, 50.0, 20.0, 22.0, Outcome.OK, "", samples, request_count=4, missed_count=1)


def _sample(point: int, at_ms: int, value: float | str | None) -> Sample:
    if isinstance(value, str):
        return Sample(point, at_ms, None, Quality.GOOD, value)
    return Sample(point, at_ms, value, Quality.GOOD)


def until(true: Callable[[], object], timeout_s: float = 15.0) -> None:
    """Wait for something that another thread or process will do."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def stored_numbers(database: Database, gateway_id: int = 1) -> list[int]:
    """Which polls of a gateway are in the log."""
    with database.read() as session:
        times = session.scalars(select(PollRow.started_at_ms).where(PollRow.gateway_id == gateway_id))
        return sorted((at_ms - to_ms(NOON)) // 1000 for at_ms in times)


def counted(database: Database, gateway_id: int = 1) -> tuple[int, int]:
    """How many polls the gateway's own counters saw: successes, and missed ones, of which each poll brings one."""
    with database.read() as session:
        gateway = session.get_one(Gateway, gateway_id)
        return gateway.success_count, gateway.missed_count


def store_until_killed(url: str, folder: str, first: int, count: int, told: Connection) -> None:
    """In a process of its own: put numbered polls, tell each, tell "kept" when all are on disk, wait for the end."""
    database = Database(url)
    plans = plans_of(database)
    writer = Writer(database, Recorder(), Spool(Path(folder), LARGE_MB), 10_000, plans.get)
    writer.start()
    for number in range(first, first + count):
        writer.put(made_poll(plans[1], number))
        told.send(number)
        time.sleep(0.001)
    until(lambda: writer.report()["queued_polls"] == 0)
    told.send("kept")
    time.sleep(60)


def kill(process_id: int) -> None:
    os.kill(process_id, signal.SIGKILL)
