"""Any span of time, and the one before it: by the calendar, on the same weekdays, a year ago, and as far as now."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from sqlalchemy.orm import Session

from models.counters import MICRO
from models.database import Database, to_ms
from models.energy_comparison import Before, compare_before, energy_between, span_before
from models.energy_days import put
from models.energy_periods import Flow
from models.gateways import Site
from models.rollup_state import close, rolled
from models.rollup_tables import Mark
from tests.models.energy_plant import add_counter
from tests.models.plant import add_gateway, add_site

BERLIN = ZoneInfo("Europe/Berlin")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.write() as session:
        yield session


@pytest.fixture
def site(session: Session) -> Site:
    return add_site(session)


def keep(session: Session, point: int, start: str, end: str, kwh_per_quarter: float) -> None:
    """Quarters of an hour as they are after rolling up."""
    count = (to_ms(at(end)) - to_ms(at(start))) // 900_000
    amounts = np.full(count, round(kwh_per_quarter * MICRO), np.int64)
    put(session.connection(), point, BERLIN, to_ms(at(start)), amounts, np.full(count, Mark.MEASURED, np.uint8))
    close(session.connection(), to_ms(at("2026-01-01")))
    rolled(session.connection(), to_ms(at("2026-01-01")))


@pytest.fixture
def point(session: Session, site: Site) -> int:
    return add_counter(session, add_gateway(session, site))


@pytest.mark.parametrize(
    ("start", "end", "by", "before"),
    [
        ("2025-06-16", "2025-06-17", Before.PERIOD, ("2025-06-15", "2025-06-16")),
        ("2025-06-16", "2025-06-23", Before.PERIOD, ("2025-06-09", "2025-06-16")),
        ("2025-03-01", "2025-04-01", Before.PERIOD, ("2025-02-01", "2025-03-01")),
        ("2025-01-01", "2026-01-01", Before.PERIOD, ("2024-01-01", "2025-01-01")),
        ("2025-01-01", "2025-04-01", Before.PERIOD, ("2024-10-01", "2025-01-01")),
        ("2025-06-10", "2025-06-13", Before.PERIOD, ("2025-06-07", "2025-06-10")),
        ("2025-06-10", "2025-06-13", Before.WEEK, ("2025-06-03", "2025-06-06")),
        ("2025-06-10", "2025-06-20", Before.WEEK, ("2025-05-27", "2025-06-06")),
        ("2025-03-31", "2025-04-07", Before.WEEK, ("2025-03-24", "2025-03-31")),
        ("2025-06-10", "2025-06-13", Before.YEAR, ("2024-06-10", "2024-06-13")),
        ("2024-02-29", "2024-03-01", Before.YEAR, ("2023-02-28", "2023-03-01")),
        ("2025-10-26", "2025-10-27", Before.YEAR, ("2024-10-26", "2024-10-27")),
    ],
)
def test_the_span_before_is_one_of_the_calendar(start: str, end: str, by: Before, before: tuple[str, str]) -> None:
    found = span_before(at(start), at(end), BERLIN, by)
    assert found == (at(before[0]), at(before[1]))


def test_a_span_takes_its_share_of_the_quarters_at_its_ends(session: Session, site: Site, point: int) -> None:
    keep(session, point, "2025-06-16", "2025-06-17", 3.0)
    start_at = at("2025-06-16 10:05")
    found = energy_between(session, site, Flow.IMPORT, start_at, start_at + timedelta(minutes=20), at("2025-12-01"))
    assert found.energy_kwh == pytest.approx(3.0 * 20 / 15)


def test_two_whole_periods_are_compared(session: Session, site: Site, point: int) -> None:
    keep(session, point, "2025-05-01", "2025-06-01", 1.0)
    keep(session, point, "2025-06-01", "2025-07-01", 1.5)
    found = compare_before(session, site, at("2025-06-01"), at("2025-07-01"), Flow.IMPORT, at("2025-12-01"))
    assert (found.energy.energy_kwh, found.before.energy_kwh) == (2880 * 1.5, 2976.0)
    assert found.change == pytest.approx(2880 * 1.5 / 2976 - 1)


def test_a_period_that_is_not_over_is_compared_as_far_as_it_is(session: Session, site: Site, point: int) -> None:
    """In March until noon of the 12th, beside February until noon of its 12th."""
    keep(session, point, "2025-02-01", "2025-03-01", 1.0)
    keep(session, point, "2025-03-01", "2025-04-01", 1.0)
    now = at("2025-03-12 12:00")
    found = compare_before(session, site, at("2025-03-01"), at("2025-04-01"), Flow.IMPORT, now)
    assert found.before_end_at == at("2025-02-12 12:00")
    assert (found.energy.energy_kwh, found.before.energy_kwh, found.change) == (1104.0, 1104.0, 0.0)


def test_what_is_not_known_is_not_compared(session: Session, site: Site, point: int) -> None:
    keep(session, point, "2025-05-20", "2025-07-01", 1.0)
    found = compare_before(session, site, at("2025-06-01"), at("2025-07-01"), Flow.IMPORT, at("2025-12-01"))
    assert (found.before.energy_kwh, found.change) == (96.0 * 12, None)
    none = compare_before(session, site, at("2025-05-01"), at("2025-05-02"), Flow.IMPORT, at("2025-12-01"))
    assert (none.energy.energy_kwh, none.before.energy_kwh, none.change) == (None, None, None)


def test_self_consumption_can_be_compared_too(session: Session, site: Site) -> None:
    found = compare_before(session, site, at("2025-06-01"), at("2025-07-01"), Flow.SELF_CONSUMPTION, at("2025-12-01"))
    assert (found.energy.energy_kwh, found.change) == (None, None)
