"""`device ...` and `tariff ...`: what energy has to know, said in a shell."""

from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from sqlalchemy import select, text

from models.database import Database
from models.energy_days import put
from models.events import newest_events
from models.gateways import DataPoint, Device, DeviceRole, Kind
from models.rollup_state import close, rolled
from settings import Settings
from tests.commands.conftest import Command

TARIFF = """
name: Day and night
valid_from: 2025-01-01
currency: EUR
bands:
  - {name: Day, price_per_kwh: 0.31, weekdays: mon-fri, from: "06:00", to: "22:00"}
  - {name: Night, price_per_kwh: 0.24}
standing_charge_per_month: 45
"""


def database() -> Database:
    return Database(Settings.load().database_url)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tariff.yaml"
    path.write_text(TARIFF, encoding="utf-8")
    return path


# ---------------------------------------------------------------- device


def test_a_device_is_given_a_role_and_a_rating(north: Command) -> None:
    done = north("device", "edit", "North", "main", "--role", "generation", "--rated-power-kw", "100")
    assert done.exit_code == 0 and "generation rated 100 kW" in done.output
    with database().read() as session:
        device = session.scalars(select(Device).where(Device.name == "Main")).one()
        assert (device.role, device.rated_power_w) == (DeviceRole.GENERATION, 100_000.0)
        told = [event.text for event in newest_events(session, 2)]
    assert told == ["Main: rated power unknown → 100 kW", "Main: role none → generation"]


def test_a_role_and_a_rating_are_taken_away(north: Command) -> None:
    north("device", "edit", "North", "2", "--role", "grid", "--rated-power-kw", "100")
    done = north("device", "edit", "North", "2", "--role", "none", "--rated-power-kw", "none")
    assert "no role    rating unknown" in done.output


def test_the_devices_of_a_gateway_are_listed(north: Command) -> None:
    lines = north("device", "list", "North").output.splitlines()
    assert [line.split()[:2] for line in lines] == [["1", "Router"], ["2", "Main"]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("North", "Mian", "--role", "grid"), 'gateway "North" has no device "Mian"; there is Main'),
        (("Nowhere", "Main", "--role", "grid"), 'there is no gateway "Nowhere"'),
        (("North", "Main", "--role", "king"), "'king' is not one of"),
        (("North", "Main", "--rated-power-kw", "much"), "'much' is no power in kW, nor none"),
        (("North", "Main", "--rated-power-kw", "-5"), "a rated power of -5 kW can't be"),
        (("North", "Main", "--rated-power-kw", "nan"), "a rated power of nan kW can't be"),
    ],
)
def test_a_device_that_cannot_be_edited_so_is_told_in_a_line(north: Command, words: tuple[str, ...], said: str) -> None:
    done = north("device", "edit", *words)
    assert done.exit_code == 2 and said in done.output and "Traceback" not in done.output


def test_with_another_rating_what_was_counted_is_booked_anew(north: Command) -> None:
    day_ms = 1_750_000_000_000 // 86_400_000 * 86_400_000
    with database().write() as session:
        wanted = DataPoint.kind == Kind.COUNTER, DataPoint.device.has(Device.name == "Main")
        counters = session.scalars(select(DataPoint.id).where(*wanted).order_by(DataPoint.id)).all()
        for point in counters[:2]:
            quarters = np.zeros(96 * 3, np.int64)
            put(session.connection(), point, ZoneInfo("UTC"), day_ms, quarters, quarters.astype(np.uint8))
        close(session.connection(), day_ms + 3 * 86_400_000)
        rolled(session.connection(), day_ms + 3 * 86_400_000)
    north("device", "edit", "North", "Main", "--rated-power-kw", "50")
    with database().read() as session:
        marked = session.execute(text("SELECT data_point_id, start_at FROM rollup_mark ORDER BY 1, 2")).all()
    assert [tuple(row) for row in marked] == [
        (point, day_ms + number * 86_400_000) for point in counters[:2] for number in range(3)
    ]


# ---------------------------------------------------------------- tariff


def test_a_tariff_is_checked_added_listed_and_removed(north: Command, file: Path) -> None:
    checked = north("tariff", "check", str(file))
    assert (
        checked.exit_code == 0
        and "Day                  0.31 EUR/kWh  06:00-22:00 Mon Tue Wed Thu Fri" in checked.output
    )
    assert "No tariff yet" in north("tariff", "list").output
    assert north("tariff", "add", str(file)).output == 'Tariff "Day and night" holds from 2025-01-01.\n'
    assert north("tariff", "list").output == checked.output
    assert "is removed" in north("tariff", "remove", "2025-01-01").output
    assert "No tariff yet" in north("tariff", "list").output


def test_a_tariff_that_cannot_be_is_told_in_a_line(north: Command, file: Path) -> None:
    file.write_text(TARIFF.replace("Night, price", "Night, prize"), encoding="utf-8")
    done = north("tariff", "check", str(file))
    assert done.exit_code == 2 and "prize_per_kwh is no term of it; did you mean price_per_kwh?" in done.output
    file.write_bytes(b"name: \xff")
    assert "is not UTF-8" in north("tariff", "add", str(file)).output
    assert "no tariff is valid from 2025-02-01; there is none at all" in north("tariff", "remove", "2025-02-01").output


def test_without_a_site_a_tariff_has_no_place(command: Command, file: Path) -> None:
    done = command("tariff", "add", str(file))
    assert done.exit_code == 2 and "there is no site yet; add a gateway first" in done.output
