"""Tariffs: read with sentences about mistakes, dated, and what energy costs by them to the cent."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from sqlalchemy.orm import Session

from models.counters import MICRO
from models.database import Database, to_ms
from models.energy_costs import Cost, band_numbers, cost
from models.energy_days import put
from models.gateways import DeviceRole, Quantity, Site
from models.rollup_state import close, rolled
from models.rollup_tables import QUARTER_MS, Mark
from models.tariff_terms import BadTariff, TariffTerms, plain, read_terms, read_yaml
from models.tariffs import add_tariff, remove_tariff, tariffs_of, terms_between
from tests.models.energy_plant import add_counter
from tests.models.plant import add_gateway, add_site

BERLIN = ZoneInfo("Europe/Berlin")
DAY = timedelta(days=1)

TWO_BANDS: dict[str, Any] = {
    "name": "Day and night",
    "valid_from": "2025-01-01",
    "currency": "EUR",
    "bands": [
        {"name": "Day", "price_per_kwh": 0.30, "weekdays": "mon-fri", "from": "06:00", "to": "22:00"},
        {"name": "Night", "price_per_kwh": 0.20},
    ],
}
ONE_BAND: dict[str, Any] = TWO_BANDS | {"bands": [{"name": "All day", "price_per_kwh": 0.1}]}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


# ---------------------------------------------------------------- terms


def test_a_tariff_is_kept_as_it_was_written() -> None:
    terms = read_terms(TWO_BANDS | {"demand_charge_per_kw_month": 9.5, "co2_g_per_kwh": 363})
    assert read_terms(plain(terms)) == terms
    assert terms.bands[0].price_per_kwh == Decimal("0.3") and terms.valid_from == date(2025, 1, 1)


@pytest.mark.parametrize(
    ("moment", "band"),
    [
        ("2025-06-16 05:59", "Night"),  # a Monday
        ("2025-06-16 06:00", "Day"),
        ("2025-06-16 21:59", "Day"),
        ("2025-06-16 22:00", "Night"),
        ("2025-06-14 12:00", "Night"),  # a Saturday
        ("2025-03-31 06:00", "Day"),  # the first Monday of summer time
        ("2025-10-27 06:00", "Day"),
    ],
)
def test_a_band_holds_by_the_clock_on_the_wall(moment: str, band: str) -> None:
    terms = read_terms(TWO_BANDS)
    start_ms = to_ms(at(moment)) // QUARTER_MS * QUARTER_MS
    (number,) = band_numbers(np.array([start_ms]), terms, BERLIN)
    assert terms.bands[number].name == band


@pytest.mark.parametrize(
    ("band", "month", "weekday", "quarter", "holds"),
    [
        ({"from": "22:00", "to": "06:00", "weekdays": ["mon"]}, 0, 0, 88, True),
        ({"from": "22:00", "to": "06:00", "weekdays": ["mon"]}, 0, 0, 23, True),
        ({"from": "22:00", "to": "06:00", "weekdays": ["mon"]}, 0, 1, 23, False),
        ({"from": "22:00", "to": "06:00"}, 0, 0, 24, False),
        ({"from": "18:00"}, 0, 0, 95, True),
        ({"to": "06:00"}, 0, 0, 24, False),
        ({"weekdays": "fri-mon"}, 0, 5, 0, True),
        ({"weekdays": "fri-mon"}, 0, 2, 0, False),
        ({"months": [11, 12, 1]}, 0, 0, 0, True),
        ({"months": [11, 12, 1]}, 1, 0, 0, False),
    ],
)
def test_a_band_may_go_over_midnight_the_weekend_and_the_year(
    band: dict[str, Any], month: int, weekday: int, quarter: int, holds: bool
) -> None:
    bands = [{"name": "Peak", "price_per_kwh": 1} | band, {"name": "Rest", "price_per_kwh": 0}]
    assert bool(read_terms(TWO_BANDS | {"bands": bands}).table[month, weekday, quarter] == 0) is holds


def band_with(**given: object) -> dict[str, Any]:
    return TWO_BANDS | {"bands": [{"name": "Peak", "price_per_kwh": 0.3} | given, {"name": "Rest", "price_per_kwh": 0}]}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"valid_from": "2025-01-01"}, "tariff: has no name; give one of 1 to 100 letters"),
        (TWO_BANDS | {"currency": None}, 'tariff "Day and night": has no currency; give one of 1 to 8 letters'),
        (TWO_BANDS | {"valid_from": "1.1.2025"}, "valid_from is '1.1.2025'; give a day such as 2025-01-01"),
        (TWO_BANDS | {"bands": []}, "has no bands; give at least {name: All day, price_per_kwh: 0.30}"),
        (
            TWO_BANDS | {"standing_charge": 4},
            "standing_charge is no term of it; did you mean standing_charge_per_month?",
        ),
        (TWO_BANDS | {"demand_charge_per_kw_month": "9,50"}, "is '9,50'; give a number, with a point: 0.25"),
        (TWO_BANDS | {"co2_g_per_kwh": -1}, "co2_g_per_kwh is -1; give a number from 0 to 1000000"),
        (band_with(price_per_kwh=None), 'band "Peak": has no price_per_kwh; give a number such as 0.30'),
        (band_with(price_per_kwh=float("nan")), "price_per_kwh is nan; give a number, with a point: 0.25"),
        (band_with(weekdays=["mo"]), "weekdays is ['mo']; give some of mon, tue, wed, thu, fri, sat, sun, or mon-fri"),
        (band_with(weekdays=[]), "holds on no weekday; leave weekdays out for all of them"),
        (band_with(months=[13]), "months is [13]; give a list such as [11, 12, 1, 2], or leave it out"),
        (band_with(**{"from": "6 o'clock"}), """from is "6 o'clock"; give a time such as "22:00\""""),
        (band_with(**{"from": "06:10"}), "from is 06:10; give a full quarter of an hour, 00:00 to 24:00"),
        (band_with(**{"to": "25:00"}), "to is 25:00; give a full quarter of an hour, 00:00 to 24:00"),
        (band_with(**{"from": "06:00", "to": "06:00"}), "begins and ends at 06:00; leave from and to out"),
        (band_with(until="06:00"), "until is no term of it; there is name, price_per_kwh, weekdays, from, to, months"),
        (TWO_BANDS | {"bands": TWO_BANDS["bands"][:1]}, "no band holds on Monday at 00:00 in January; add a last band"),
        (
            TWO_BANDS | {"bands": [*TWO_BANDS["bands"], {"name": "Sun", "price_per_kwh": 0}]},
            '"Sun": never counts, bands',
        ),
        (TWO_BANDS | {"bands": [{"name": "A", "price_per_kwh": 0}] * 2}, "two bands have the same name"),
        (TWO_BANDS | {"bands": ["Day"]}, "band 1 is 'Day'; give {name: Peak, price_per_kwh: 0.30}"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(document: dict[str, Any], message: str) -> None:
    with pytest.raises(BadTariff) as raised:
        read_terms(document)
    assert message in str(raised.value)


@pytest.mark.parametrize("text", ["[1, 2", "just words", "- a list", ""])
def test_what_is_no_tariff_at_all_is_told_by_its_file(text: str) -> None:
    with pytest.raises(BadTariff, match=r"^north\.yaml: is "):
        read_yaml(text, "north.yaml")


def test_yaml_that_takes_a_time_for_a_number_is_understood() -> None:
    terms = read_yaml(
        "{name: T, valid_from: 2025-01-01, currency: EUR, bands: "
        "[{name: Night, price_per_kwh: 0.2, from: 22:00, to: 06:00}, {name: Day, price_per_kwh: 0.3}]}",
        "t.yaml",
    )
    assert (terms.bands[0].from_quarter, terms.bands[0].to_quarter) == (88, 24)


# ---------------------------------------------------------------- dated


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.write() as session:
        yield session


@pytest.fixture
def site(session: Session) -> Site:
    return add_site(session)


def terms_from(day: str, **changes: Any) -> TariffTerms:
    return replace(read_terms(ONE_BAND | {"valid_from": day, "name": f"From {day}"}), **changes)


def test_tariffs_are_kept_by_their_first_day(session: Session, site: Site) -> None:
    for day in ("2025-07-01", "2025-01-01"):
        add_tariff(session, site, terms_from(day))
    session.flush()
    assert [terms.valid_from.month for terms in tariffs_of(session, site)] == [1, 7]
    assert remove_tariff(session, site, date(2025, 1, 1)) == "From 2025-01-01"
    session.flush()
    assert [terms.valid_from.month for terms in tariffs_of(session, site)] == [7]


def test_a_tariff_that_cannot_stand_beside_the_others_is_refused(session: Session, site: Site) -> None:
    add_tariff(session, site, terms_from("2025-01-01"))
    session.flush()
    with pytest.raises(BadTariff, match=r'"From 2025-01-01" is valid from 2025-01-01 already; remove it first'):
        add_tariff(session, site, terms_from("2025-01-01"))
    with pytest.raises(BadTariff, match=r"is in CHF, .* in EUR; a site is charged in one currency"):
        add_tariff(session, site, terms_from("2025-07-01", currency="CHF"))
    with pytest.raises(BadTariff, match=r"no tariff is valid from 2025-02-01; there is 2025-01-01"):
        remove_tariff(session, site, date(2025, 2, 1))


def test_a_change_is_at_the_first_moment_of_its_local_day() -> None:
    tariffs = [terms_from("2025-06-10"), terms_from("2025-06-20")]
    found = terms_between(tariffs, at("2025-06-01"), at("2025-07-01"), BERLIN)
    assert [(term.start_at, term.terms and term.terms.valid_from.day) for term in found] == [
        (at("2025-06-01"), None),
        (at("2025-06-10"), 10),
        (at("2025-06-20"), 20),
    ]
    assert [term.end_at for term in found][-1] == at("2025-07-01")
    inside = terms_between(tariffs, at("2025-06-21"), at("2025-06-22"), BERLIN)
    assert [term.terms for term in inside] == [tariffs[1]]


# ---------------------------------------------------------------- cost


def keep(session: Session, point: int, start_at: datetime, kwh: list[float], mark: Mark = Mark.MEASURED) -> None:
    """Quarters of an hour as they are after rolling up."""
    amounts = np.array([round(one * MICRO) for one in kwh], np.int64)
    put(session.connection(), point, BERLIN, to_ms(start_at), amounts, np.full(len(kwh), mark, np.uint8))
    close(session.connection(), to_ms(at("2026-01-01")))
    rolled(session.connection(), to_ms(at("2026-01-01")))


def june(
    session: Session, site: Site, *tariffs: TariffTerms, kwh: list[float] | None = None, until: str = "2025-07-01"
) -> Cost:
    """What June costs: of a meter that draws 4 kW unless it is told."""
    point = add_counter(session, add_gateway(session, site))
    keep(session, point, at("2025-06-01"), [1.0] * 96 * 30 if kwh is None else kwh)
    for terms in tariffs:
        add_tariff(session, site, terms)
    session.flush()
    return cost(session, site, at("2025-06-01"), at("2025-07-01"), at(until))


def test_energy_is_charged_by_band(session: Session, site: Site) -> None:
    """June 2025 has 21 days from Monday to Friday: 21 * 16 hours by day."""
    found = june(session, site, read_terms(TWO_BANDS))
    day, night = found.bands
    assert (day.band, day.energy_kwh, day.amount) == ("Day", Decimal(21 * 64), Decimal("403.20"))
    assert (night.band, night.energy_kwh, night.amount) == ("Night", Decimal(2880 - 1344), Decimal("307.20"))
    assert (found.total, found.currency, found.unknown_share) == (Decimal("710.40"), "EUR", 0.0)
    assert (found.demand, found.standing, found.export, found.co2_kg) == ((), (), (), None)


def test_a_change_within_a_month_splits_energy_by_date(session: Session, site: Site) -> None:
    found = june(session, site, terms_from("2025-01-01"), terms_from("2025-06-11"))
    assert [(one.tariff, one.energy_kwh) for one in found.bands] == [
        ("From 2025-01-01", Decimal(960)),
        ("From 2025-06-11", Decimal(1920)),
    ]


def test_demand_is_charged_by_month_and_in_parts_where_the_tariff_changes(session: Session, site: Site) -> None:
    kwh = [1.0] * 96 * 30
    kwh[96 * 2], kwh[96 * 20] = 25.0, 50.0
    tariffs = [terms_from(day, demand_charge_per_kw_month=Decimal(9)) for day in ("2025-01-01", "2025-06-11")]
    first, second = june(session, site, *tariffs, kwh=kwh).demand
    assert (first.month, first.peak_kw, first.peak_at, first.amount) == (
        "2025-06",
        100.0,
        at("2025-06-03"),
        Decimal(300),
    )
    assert (second.peak_kw, second.peak_at, second.amount) == (200.0, at("2025-06-21"), Decimal(1200))
    assert first.share_of_month + second.share_of_month == 1


def test_the_standing_charge_is_by_the_share_of_the_month_that_has_been(session: Session, site: Site) -> None:
    found = june(session, site, terms_from("2025-01-01", standing_charge_per_month=Decimal(45)), until="2025-06-11")
    assert [(one.month, one.amount) for one in found.standing] == [("2025-06", Decimal("15.00"))]
    assert found.bands[0].energy_kwh == Decimal(960)


def test_each_line_is_rounded_and_the_total_is_their_sum(session: Session, site: Site) -> None:
    terms = terms_from("2025-01-01", standing_charge_per_month=Decimal("0.005"))
    found = june(session, site, terms, kwh=[0.05])
    assert (found.energy_amount, found.standing_amount, found.total) == (
        Decimal("0.01"),
        Decimal("0.01"),
        Decimal("0.02"),
    )


def test_what_is_given_away_is_paid_for(session: Session, site: Site) -> None:
    given = add_counter(session, add_gateway(session, site, "South"), Quantity.ENERGY_EXPORT, role=DeviceRole.GRID)
    keep(session, given, at("2025-06-01"), [0.5] * 96)
    found = june(session, site, terms_from("2025-01-01", export_price_per_kwh=Decimal("0.07")))
    (credit,) = found.export
    assert (credit.energy_kwh, credit.amount) == (Decimal(48), Decimal("3.36"))
    assert found.total == found.energy_amount - Decimal("3.36")


def test_co2_is_by_the_factor_of_its_time(session: Session, site: Site) -> None:
    tariffs = [
        terms_from("2025-01-01", co2_g_per_kwh=Decimal(400)),
        terms_from("2025-06-16", co2_g_per_kwh=Decimal(200)),
    ]
    assert june(session, site, *tariffs).co2_kg == Decimal(1440 * 400 + 1440 * 200) / 1000


def test_what_is_not_known_is_told_with_the_cost(session: Session, site: Site) -> None:
    found = june(session, site, terms_from("2025-01-01"), kwh=[1.0] * 96 * 15)
    assert (found.unknown_share, found.energy_amount) == (0.5, Decimal("144.00"))


def test_of_nothing_known_there_is_no_total(session: Session, site: Site) -> None:
    found = june(session, site, terms_from("2025-01-01", demand_charge_per_kw_month=Decimal(9)), kwh=[])
    assert (found.total, found.co2_kg, found.demand[0].peak_kw, found.demand[0].amount) == (None, None, None, None)


def test_before_the_first_tariff_energy_has_no_price(session: Session, site: Site) -> None:
    found = june(session, site, terms_from("2025-06-16"))
    assert (found.unpriced_kwh, found.bands[0].energy_kwh) == (Decimal(1440), Decimal(1440))


def test_without_a_tariff_there_is_no_cost(session: Session, site: Site) -> None:
    found = june(session, site)
    assert (found.currency, found.total, found.bands, found.unpriced_kwh) == (None, None, (), Decimal(2880))
    assert found.imported.energy_kwh == 2880.0
