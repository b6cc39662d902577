"""The monthly reports are made in a process of its own, and only when one is due."""

from datetime import UTC, datetime, timedelta

import pytest

from models.database import Database, to_ms
from models.device_template import new_device
from models.energy_meters import Flow, meters_of
from models.gateways import Gateway, Site, load_gateways
from models.readings import Quality, insert_settled
from models.reports import reports
from models.rollups import advance
from poller.report_job import start_if_due
from settings import Settings

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def seed(database: Database, last: datetime) -> None:
    """A site in UTC whose meter is read until now."""
    with database.write() as session:
        gateway = Gateway(
            site=Site(name="Plant", time_zone="UTC"), name="North", host="10.0.0.7", poll_interval_s=3600.0
        )
        gateway.devices = [new_device("eastron-sdm120", 2, "Meter")]
        session.add(gateway)
    with database.read() as session:
        (meter,) = meters_of(session, load_gateways(session)[0].site, Flow.IMPORT)
    rows = [
        (meter.point_id, to_ms(last + n * HOUR), 5.0 + n, int(Quality.GOOD)) for n in range((NOW - last) // HOUR + 1)
    ]
    insert_settled(database, rows)
    advance(database, NOW)


def test_a_due_report_is_made_by_another_process_and_stored(database: Database, settings: Settings) -> None:
    seed(database, NOW - 40 * HOUR)
    start_if_due(database, settings, NOW - 30 * HOUR)
    with database.read() as session:
        assert reports(session, 1) == [], "on the 1st at 02:00 readings may still come"
    start_if_due(database, settings, NOW)
    with database.read() as session:
        assert [report.month for report in reports(session, 1)] == ["2026-02"]


def test_nothing_is_started_when_nothing_is_due(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere")  # to start it would fail
    start_if_due(database, settings, NOW)
