"""Monthly reports: what they say, that the same data makes the same bytes, and which are made when."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from models.access import seen
from models.database import Database, to_ms
from models.device_template import new_device
from models.energy_meters import Flow, meters_of
from models.gateways import Gateway, Site, load_gateways
from models.mark_words import MARK_WORDS
from models.readings import Quality, insert_settled
from models.report_charts import Bar, bars, heat_map, nice_step
from models.report_document import GROUP, number, percent, signed_percent
from models.report_drawing import Box, Stroke, hatch, svg
from models.report_facts import read_month, unmeasured
from models.report_making import due_reports, make_due_reports, make_report, render
from models.reports import BadMonth, Form, file_of, keep, month_after, month_before, month_of, reports
from models.rollup_tables import Mark
from models.rollups import advance
from models.schema import upgrade
from models.tariff_terms import read_terms
from models.tariffs import add_tariff
from tests.models.postgresql import Cluster

BERLIN = ZoneInfo("Europe/Berlin")
OCTOBER = date(2026, 10, 1)
STEP = timedelta(minutes=15)
FIRST, LAST = datetime(2026, 9, 30, 22, tzinfo=UTC), datetime(2026, 10, 31, 23, tzinfo=UTC)  # October in Berlin
NOW = LAST + timedelta(hours=9)
GAP = (datetime(2026, 10, 12, 8, tzinfo=UTC), datetime(2026, 10, 12, 11, tzinfo=UTC))
KW = 40.0  # each of the two meters, all the time
QUARTERS = 31 * 96 + 4  # the night of the 25th has an hour more


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def plant(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A plant for tests that write nothing."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('plant')}/monitor.db"
    else:
        cluster: Cluster = request.getfixturevalue("cluster")
        url = cluster.url(cluster.make())
    database = Database(url)
    upgrade(database)
    yield filled(database)
    database.close()


@pytest.fixture
def own_plant(database: Database) -> Database:
    return filled(database)


def filled(database: Database) -> Database:
    """A month of two meters at 40 kW; the second was not read for three hours, its counter went on."""
    with database.write() as session:
        site = Site(name="Plant <Nord> Łódź", time_zone=BERLIN.key, contract_power_w=75_000)
        gateway = Gateway(site=site, name="North", area="Body & shop", host="10.0.0.7", poll_interval_s=900.0)
        gateway.devices = [new_device("eastron-sdm120", unit, f"Meter {unit}") for unit in (2, 3)]
        for device in gateway.devices:
            device.rated_power_w = 100_000
        session.add(gateway)
    last = LAST + timedelta(hours=3)
    insert_settled(database, rows(database, FIRST, last, lambda meter, at: meter == 1 or not GAP[0] < at < GAP[1]))
    advance(database, last + timedelta(minutes=2))
    return database


def rows(
    database: Database, first: datetime, last: datetime, is_read: Callable[[int, datetime], bool] = lambda _, at: True
) -> list[tuple[int, int, float, int]]:
    """Readings of all meters; is_read: of the meter by number, from 1 on, and the time."""
    with database.read() as session:
        site = load_gateways(session)[0].site
        points = [meter.point_id for meter in meters_of(session, site, Flow.IMPORT)]
    count = (last - first) // STEP + 1
    return [
        (point, to_ms(first + at * STEP), 500.0 + KW * ((first - FIRST) / STEP + at) / 4, int(Quality.GOOD))
        for meter, point in enumerate(sorted(points), start=1)
        for at in range(count)
        if is_read(meter, first + at * STEP)
    ]


def csv_rows(data: bytes, section: str) -> list[list[str]]:
    lines = [line.split(",") for line in data.decode().splitlines()]
    return [line for line in lines if line[0] == section]


def test_the_total_is_what_the_counters_counted(plant: Database) -> None:
    with plant.read() as session:
        facts = read_month(session, 1, OCTOBER, NOW)
    assert facts.total.energy_kwh == pytest.approx(2 * KW * QUARTERS / 4)
    assert facts.total.mark is Mark.INTERPOLATED
    assert facts.total.coverage == 1
    assert facts.is_over


def test_days_meters_and_quarters_of_the_csv_add_up_to_its_total(plant: Database) -> None:
    with plant.read() as session:
        data = render(session, 1, OCTOBER, NOW).csv
    total = float(csv_rows(data, "total")[0][4])
    for section in ("day", "meter", "area", "15 min"):
        assert sum(float(row[4]) for row in csv_rows(data, section)) == pytest.approx(total), section


def test_the_day_on_which_clocks_are_put_back_has_25_hours(plant: Database) -> None:
    with plant.read() as session:
        data = render(session, 1, OCTOBER, NOW).csv
    by_day = {row[1]: float(row[4]) for row in csv_rows(data, "day")}
    assert by_day["2026-10-25"] == pytest.approx(2 * KW * 25)
    assert by_day["2026-10-24"] == pytest.approx(2 * KW * 24)


def test_a_gap_is_listed_with_its_times_and_what_is_booked_in_it(plant: Database) -> None:
    with plant.read() as session:
        (gap,) = read_month(session, 1, OCTOBER, NOW).unmeasured
    assert (gap.meter, gap.mark) == ("North · Meter 3", Mark.INTERPOLATED)
    assert (gap.start_at, gap.end_at) == GAP
    assert gap.energy_kwh == pytest.approx(KW * 3)


def test_the_same_data_makes_the_same_bytes_whenever_it_is_asked(plant: Database) -> None:
    with plant.read() as session:
        first, second = (render(session, 1, OCTOBER, at) for at in (NOW, NOW + timedelta(days=40)))
    assert first == second


def test_a_report_that_says_the_same_makes_no_new_version(own_plant: Database) -> None:
    first = make_report(own_plant, 1, OCTOBER, NOW)
    again = make_report(own_plant, 1, OCTOBER, NOW + timedelta(hours=1))
    assert (first.version, again.id) == (1, first.id)


def test_a_late_correction_makes_a_new_version_and_the_old_one_stays(own_plant: Database) -> None:
    first = make_report(own_plant, 1, OCTOBER, NOW)
    with own_plant.write() as session:
        session.get_one(Site, 1).contract_power_w = 60_000
    second = make_report(own_plant, 1, OCTOBER, NOW + timedelta(hours=1))
    assert (first.version, second.version) == (1, 2)
    assert first.data_digest != second.data_digest
    with own_plant.read() as session:
        assert [one.id for one in reports(session, 1)] == [second.id, first.id]
        old = file_of(session, first.id, Form.CSV)
        assert old is not None and old[0].version == 1 and b"75" in old[1]


def test_a_stored_file_is_what_was_rendered(own_plant: Database) -> None:
    with own_plant.read() as session:
        files = render(session, 1, OCTOBER, NOW)
    with own_plant.write() as session:
        kept = keep(session, 1, OCTOBER, files, NOW)
    with own_plant.read() as session:
        for form in Form:
            found = file_of(session, kept.id, form)
            assert found is not None and found[1] == getattr(files, form.value)
        assert file_of(session, 999, Form.PDF) is None


def test_html_is_one_file_without_script_and_shows_names_as_they_are(plant: Database) -> None:
    with plant.read() as session:
        text = render(session, 1, OCTOBER, NOW).html.decode()
    assert "<script" not in text
    assert re.findall(r'(?:src|href)="', text) == []
    assert "Plant &lt;Nord&gt; Łódź" in text and "Plant <Nord>" not in text
    assert text.count("<svg") == 4
    assert "25.00 kWh" not in text and number(2 * KW * QUARTERS / 4) in text


def test_the_pdf_is_one_and_tells_no_time_of_making(plant: Database) -> None:
    with plant.read() as session:
        content = render(session, 1, OCTOBER, NOW).pdf
    assert content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF")
    assert str(datetime.now(UTC).year).encode() + b"12" not in content
    assert re.findall(rb"/CreationDate \(D:(\d{4})", content) == [b"2000"]


def test_peaks_are_measured_against_the_contract(plant: Database) -> None:
    with plant.read() as session:
        data = render(session, 1, OCTOBER, NOW).csv
    peaks = csv_rows(data, "peak demand")
    assert len(peaks) == 10
    assert {float(row[4]) for row in peaks} == {2 * KW}
    assert float(csv_rows(data, "contract")[0][4]) == 75


def test_the_cost_follows_the_tariff(own_plant: Database) -> None:
    terms = read_terms(
        {
            "name": "Flat",
            "valid_from": "2026-01-01",
            "currency": "EUR",
            "bands": [{"name": "All day", "price_per_kwh": 0.25}],
            "co2_g_per_kwh": 400,
        }
    )
    with own_plant.write() as session:
        add_tariff(session, session.get_one(Site, 1), terms)
    with own_plant.read() as session:
        data = render(session, 1, OCTOBER, NOW).csv
    energy_kwh = 2 * KW * QUARTERS / 4
    by_name = {row[1]: float(row[4]) for row in csv_rows(data, "cost")}
    assert by_name["Flat · All day"] == pytest.approx(energy_kwh * 0.25, abs=0.01)
    assert float(csv_rows(data, "CO2")[0][4]) == pytest.approx(energy_kwh * 0.4)


def test_without_a_tariff_nothing_has_a_price(plant: Database) -> None:
    with plant.read() as session:
        files = render(session, 1, OCTOBER, NOW)
    assert csv_rows(files.csv, "cost") == []
    assert "No tariff is set" in files.html.decode()


def test_a_report_is_due_from_six_on_the_first_once_rollups_are_there(own_plant: Database) -> None:
    early = datetime(2026, 11, 1, 5, 59, tzinfo=BERLIN).astimezone(UTC)
    assert due_reports(own_plant, early) == []  # of September nothing is known
    assert due_reports(own_plant, early + timedelta(minutes=1)) == [(1, OCTOBER)]
    assert [report.month for report in make_due_reports(own_plant, early + timedelta(minutes=1))] == ["2026-10"]
    assert due_reports(own_plant, early + timedelta(days=3)) == []


def test_a_report_is_not_due_before_rollups_have_come_to_the_end_of_the_month(plant: Database) -> None:
    assert due_reports(plant, datetime(2026, 12, 2, tzinfo=UTC)) == []


def test_a_month_that_goes_on_is_told_of_until_now(plant: Database) -> None:
    now = FIRST + timedelta(days=10)
    with plant.read() as session:
        facts = read_month(session, 1, OCTOBER, now)
    assert not facts.is_over
    assert facts.total.energy_kwh == pytest.approx(2 * KW * 240)


def test_a_month_to_come_is_refused_in_words(plant: Database) -> None:
    with plant.read() as session, pytest.raises(BadMonth, match="2027-01 has not begun yet"):
        read_month(session, 1, date(2027, 1, 1), NOW)


@pytest.mark.parametrize("text", ["2026", "2026-13", "October", "2026-10-01", "", "../../etc"])
def test_what_is_no_month_is_refused_in_words(text: str) -> None:
    with pytest.raises(BadMonth, match="write it like 2026-10"):
        month_of(text)


def test_months_follow_each_other_over_the_year() -> None:
    assert month_before(date(2026, 1, 31)) == date(2025, 12, 1)
    assert month_after(date(2026, 12, 31)) == date(2027, 1, 1)
    assert month_after(date(2026, 1, 31)) == date(2026, 2, 1)


def test_who_sees_a_part_of_the_plant_sees_no_report(own_plant: Database) -> None:
    make_report(own_plant, 1, OCTOBER, NOW)
    with seen(own_plant, frozenset({1})) as session:
        assert reports(session, 1) == []


def test_nothing_unmeasured_is_an_empty_list(plant: Database) -> None:
    with plant.read() as session:
        facts = read_month(session, 1, OCTOBER, GAP[0])
    assert list(unmeasured(facts.meters.meters, facts.quarters)) == []


# ---------------------------------------------------------------- numbers and pictures


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        (1234567.0, 0, f"1{GROUP}234{GROUP}567"),
        (-0.004, 2, "0.00"),
        (-12.5, 1, "\u221212.5"),
        (0.0, 0, "0"),
        (None, 1, "not known"),
    ],
)
def test_numbers_are_written_so_that_everybody_reads_the_same(value: float | None, digits: int, shown: str) -> None:
    assert number(value, digits) == shown


def test_nothing_but_all_of_it_is_a_hundred_percent() -> None:
    assert percent(0.99999, 1) == "99.9 %"
    assert percent(1.0, 1) == "100.0 %"


def test_a_change_has_a_sign_and_a_dash_where_there_is_none() -> None:
    assert [signed_percent(change) for change in (0.1, -0.1, 0.0, None)] == ["+10.0 %", "\u221210.0 %", "0.0 %", "–"]


@pytest.mark.parametrize(("greatest", "step"), [(100.0, 25.0), (7.0, 2.0), (0.0, 1.0), (0.9, 0.25)])
def test_an_axis_has_round_steps(greatest: float, step: float) -> None:
    assert nice_step(greatest) == pytest.approx(step)


def test_what_is_not_known_is_a_hatched_stub_and_no_bar_of_zero() -> None:
    drawing = bars("Days", "kWh", [Bar("1", 10.0, Mark.MEASURED), Bar("2", None, Mark.MISSING)])
    outlined = [shape for shape in drawing.shapes if isinstance(shape, Box) and shape.fill is None and shape.stroke]
    assert len(outlined) == 2  # the stub, and the one of the legend
    assert "not known" in svg(drawing)


def test_a_legend_names_every_mark() -> None:
    text = svg(bars("Days", "kWh", [Bar("1", 10.0, Mark.MEASURED)]))
    assert all(word in text for word in ("measured", "interpolated", "estimated", "not known"))
    assert len(MARK_WORDS) == len(Mark)


def test_a_hatch_stays_inside_its_box() -> None:
    box = Box(10, 20, 30, 12)
    for stroke in hatch(box, "#000000", is_crossed=True):
        assert all(10 <= x <= 40 and 20 <= y <= 32 for x, y in stroke.places)


def test_an_hour_that_is_not_there_is_left_empty_and_one_not_known_is_hatched() -> None:
    def strokes(cell: float | None) -> int:
        shapes = heat_map("Heat", ["Sun 29"], ["02"], [[cell]]).shapes
        return sum(isinstance(shape, Stroke) for shape in shapes)

    assert strokes(None) > strokes(float("nan")) == strokes(5.0)
