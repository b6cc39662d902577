"""The night that docs/energy.md works through by hand, and the tariff it shows, against the code."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from models.database import Database
from models.energy_periods import Flow, energy
from models.gateways import DeviceRole, Site
from models.periods import PeriodKind, periods
from models.rollup_tables import Mark
from models.rollups import advance
from models.tariff_terms import read_yaml
from tests.models.energy_plant import add_counter
from tests.models.plant import add_gateway, add_site, read

DOCUMENT = (Path(__file__).parents[2] / "docs" / "energy.md").read_text(encoding="utf-8")
BERLIN = ZoneInfo("Europe/Berlin")


def table(first_column: str) -> list[list[str]]:
    """The rows of the table whose head begins with this."""
    _, _, rest = DOCUMENT.partition(f"| {first_column} |")
    lines = rest.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.fixture
def night(database: Database) -> Database:
    """The readings of the document, rolled up a day later."""
    with database.write() as session:
        gateway = add_gateway(session, add_site(session))
        gateway.poll_interval_s = 900.0
        point = add_counter(session, gateway)
        for at, kwh in table("read at"):
            read(session, point, datetime.fromisoformat(at), float(kwh))
    advance(database, datetime(2025, 10, 27, tzinfo=BERLIN))
    return database


@pytest.mark.parametrize(
    ("head", "kind", "rows"), [("quarter from", PeriodKind.QUARTER, 21), ("hour from", PeriodKind.HOUR, 4)]
)
def test_the_worked_night_is_what_the_code_books(night: Database, head: str, kind: PeriodKind, rows: int) -> None:
    expected = table(head)
    assert len(expected) == rows
    start_at, last_at = (datetime.fromisoformat(expected[number][0]) for number in (0, -1))
    spans = periods(kind, start_at, last_at + timedelta(minutes=1), BERLIN)
    with night.read() as session:
        site = session.scalars(select(Site)).one()
        found = energy(session, site, spans, Flow.IMPORT, datetime(2025, 10, 28, tzinfo=BERLIN)).site
    assert [span.label for span in spans] == [row[0] for row in expected]
    assert found.energy_kwh.tolist() == pytest.approx([float(row[1]) for row in expected])
    assert [Mark(mark).name.lower() for mark in found.marks] == [row[2] for row in expected]


def test_the_sums_in_the_text_are_those_of_the_table(night: Database) -> None:
    quarters = [float(row[1]) for row in table("quarter from")]
    (life, whole) = re.findall(r"(?:add up to|night has) ([\d.]+) kWh", DOCUMENT)
    before_reset = [row[0] for row in table("quarter from")].index("2025-10-26T04:45+01:00")
    assert sum(quarters[:before_reset]) == pytest.approx(float(life))
    assert sum(quarters) == pytest.approx(float(whole))


def test_the_tariff_of_the_document_is_one() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
    terms = read_yaml(text, "docs/energy.md")
    assert [band.name for band in terms.bands] == ["Winter peak", "Day", "Night"]


def test_every_role_and_every_mark_is_explained() -> None:
    assert [role.value for role in DeviceRole if role.value not in DOCUMENT] == []
    assert [mark.name for mark in Mark if f"**{mark.name.lower()}**" not in DOCUMENT] == []
