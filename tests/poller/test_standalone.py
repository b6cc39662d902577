"""The poller as the whole of a program: it tells the others how it is, and ends when it is told to."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from models.database import Database
from models.schema import upgrade
from poller.standalone import BEGINNING_S, LINE_INTERVAL_S, REPORT_INTERVAL_S, Bulletin, health_line
from realtime.broker import REPORT
from realtime.events import Event
from tests.program import ROOT

POLLING = {
    "running": True,
    "gateways": 12,
    "done_polls": 340,
    "missed_polls": 0,
    "queued_polls": 1,
    "spooled_polls": 0,
    "lateness_p99_ms": 4.25,
}
RUN = """
from poller.standalone import run
from realtime.broker import open_broker
from settings import Settings
settings = Settings.load(_env_file=None)
settings.start_logging()
broker = open_broker(settings.broker_url)
run(settings, broker, broker)
"""


class Recorder:
    """A broker that keeps what is published, up or down as told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.is_up = True

    def publish(self, events: Sequence[Event]) -> None:
        self.events.extend(events)

    def health(self) -> dict[str, Any]:
        return {"is_up": self.is_up, "reason": None if self.is_up else "connection refused", "queued": 3, "dropped": 0}


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_reports_reach_the_others_every_two_seconds_and_at_once_when_something_changes() -> None:
    broker, clock = Recorder(), Clock()
    bulletin = Bulletin(broker, clock)
    bulletin({"running": False, "standby": True})
    bulletin(POLLING)
    for _ in range(4):
        clock.now_s += REPORT_INTERVAL_S / 2
        bulletin(POLLING)
    assert {event.name for event in broker.events} == {REPORT}
    assert [event.channels for event in broker.events] == [()] * 4
    assert [event.facts.get("running") for event in broker.events] == [False, True, True, True]


def test_the_log_says_how_it_is_when_that_changes_and_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    broker, clock = Recorder(), Clock()
    bulletin = Bulletin(broker, clock)
    bulletin({"running": False, "standby": True})
    for _ in range(10):
        bulletin(POLLING)
    clock.now_s += BEGINNING_S
    broker.is_up = False
    bulletin(POLLING)
    clock.now_s += LINE_INTERVAL_S
    bulletin(POLLING)
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO", "WARNING", "WARNING"]
    assert caplog.messages[0].startswith("poller: waits for its turn")
    assert "broker down: connection refused" in caplog.messages[2]


def test_a_broker_that_is_not_reached_in_the_first_moments_is_no_cause_for_alarm(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    broker = Recorder()
    broker.is_up = False
    Bulletin(broker, Clock())(POLLING)
    assert [record.levelname for record in caplog.records] == ["INFO"]


def test_the_line_for_the_log_holds_what_a_person_asks_first() -> None:
    assert health_line(POLLING, Recorder().health()) == (
        "polling 12 gateways; 340 polls done, 0 missed; 1 queued, 0 on disk; 4.25 ms late (p99); "
        "broker up, 3 events queued, 0 dropped"
    )


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(tmp_path: Path, how: signal.Signals) -> None:
    url = f"sqlite:///{tmp_path}/monitor.db"
    database = Database(url)
    upgrade(database)
    database.close()
    environment = os.environ | {
        "MONITOR_DATABASE_URL": url,
        "MONITOR_DATA_FOLDER": str(tmp_path),
        "PYTHONPATH": str(ROOT),
    }
    with subprocess.Popen([sys.executable, "-c", RUN], env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        assert any("poller: polling 0 gateways" in line for line in lines)
        process.send_signal(how)
        rest = [*lines]
        assert process.wait(10) == 0
    assert "poller: ended" in rest[-1]
    assert "Traceback" not in "".join(rest)
