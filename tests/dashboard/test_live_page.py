"""The page "Live": what its grid is told of points, the lines of some of them, and that others load nothing of it."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard import create_dashboard, live_points
from dashboard.auth import register_auth
from dashboard.figures import PALETTES
from dashboard.live_chart import MOST_PICKED, looks
from dashboard.live_points import LINE_PIXELS, MOST_LINES, Written, address_words, describe_points, shown_digits
from models.access import limit_user
from models.database import Database, to_ms
from models.gateways import DataPoint, DataType, Gateway, Kind, Quantity, Table, configuration_changed
from models.readings import Quality
from models.users import find_user
from settings import Settings
from tests.dashboard.conftest import sign_in
from tests.dashboard.test_dashboard import call_back
from tests.models.plant import add_gateway, add_meter, add_site, read


@pytest.fixture
def points(database: Database) -> dict[str, int]:
    """A counter behind North, a power point behind South."""
    with database.write() as session:
        site = add_site(session)
        north, south = add_gateway(session, site, "North"), add_gateway(session, site, "South")
        north.area = "Hall 1"
        return {
            "energy": add_meter(session, north, Quantity.ENERGY_IMPORT),
            "power": add_meter(session, south, Quantity.ACTIVE_POWER),
        }


@pytest.fixture
def server(people: None, points: dict[str, int], database: Database, settings: Settings) -> Flask:
    server = Flask("monitor", static_folder=None)
    register_auth(server, database=database, settings=settings)
    create_dashboard(server, database=database, settings=settings)
    return server


@pytest.fixture
def viewer(server: Flask) -> FlaskClient:
    client = server.test_client()
    sign_in(client, "viewer")
    return client


# The rows


def test_every_point_is_described_once_with_its_gateway_and_device(points: dict[str, int], database: Database) -> None:
    now = datetime.now(UTC)
    with database.read() as session:
        said = describe_points(session, now)
    assert said["gateways"] == [(1, "North", "Hall 1", 5000), (2, "South", "", 5000)]
    assert said["devices"] == [(1, 1, "Meter 1"), (2, 2, "Meter 1")]
    assert said["points"] == [
        (points["energy"], 1, "energy_import", "", "counter", 1, "input 0"),
        (points["power"], 2, "active_power", "", "instantaneous", None, "input 0"),
    ]
    assert (said["at"], said["time_zone"]) == (to_ms(now), "Europe/Berlin")


def test_a_point_that_is_not_read_is_no_row(points: dict[str, int], database: Database) -> None:
    now = datetime.now(UTC)
    with database.write() as session:
        before = describe_points(session, now)["version"]
        session.get_one(DataPoint, points["power"]).enabled = False
        configuration_changed(session)
        session.flush()
        said = describe_points(session, now)
    assert [point[0] for point in said["points"]] == [points["energy"]]
    assert said["version"] == before + 1


def test_no_gateway_is_an_answer_too(database: Database) -> None:
    now = datetime.now(UTC)
    with database.read() as session:
        said = describe_points(session, now)
    assert (said["gateways"], said["points"], said["time_zone"]) == ([], [], "UTC")


@pytest.mark.parametrize(
    ("written", "digits"),
    [
        (Written(Kind.INSTANTANEOUS, DataType.FLOAT32, 1.0, 0.0, None), None),
        (Written(Kind.COUNTER, DataType.FLOAT32, 1.0, 0.0, None), 1),
        (Written(Kind.INSTANTANEOUS, DataType.INT16, 0.01, 0.0, None), 2),
        (Written(Kind.INSTANTANEOUS, DataType.INT32, 0.1, 0.0, None), 1),
        (Written(Kind.COUNTER, DataType.UINT32, 10.0, 0.0, None), 0),
        (Written(Kind.INSTANTANEOUS, DataType.UINT16, 1.0, 0.5, None), 1),
        (Written(Kind.INSTANTANEOUS, DataType.UINT16, 1e-7, 0.0, None), 4),
        (Written(Kind.INSTANTANEOUS, DataType.INT16, 1.0, 0.0, 40), None),
        (Written(Kind.STATE, DataType.FLOAT32, 1.0, 0.0, None), 0),
    ],
    ids=["float", "float counter", "hundredths", "tenths", "tens", "offset", "tiny", "scale register", "state"],
)
def test_a_value_is_shown_with_the_decimals_it_is_written_with(written: Written, digits: int | None) -> None:
    assert shown_digits(written) == digits


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ((Table.HOLDING, 7, None, []), "holding 7"),
        ((Table.HOLDING, 7, 3, []), "holding 7 bit 3"),
        ((Table.COIL, 0, None, []), "coil 0"),
        ((Table.HOLDING, 16, None, [103, 101]), "model 103 + 16"),
    ],
)
def test_an_address_is_said_in_words(place: Any, words: str) -> None:
    assert address_words(*place) == words


# The lines


def test_a_line_has_the_good_readings_of_the_last_half_hour(
    points: dict[str, int], viewer: FlaskClient, database: Database
) -> None:
    now = datetime.now(UTC)
    power = points["power"]
    with database.write() as session:
        read(session, power, now - timedelta(minutes=40), 1.0)
        read(session, power, now - timedelta(seconds=30), 2.0)
        read(session, power, now - timedelta(seconds=20), 99.0, Quality.SUSPECT)
        read(session, power, now - timedelta(seconds=10), None, Quality.NOT_AVAILABLE)
        read(session, power, now, 0.0)
    answer = viewer.get(f"/live/lines?points={power}").get_json()
    assert answer["lines"] == [[power, [to_ms(now) - 30_000, to_ms(now)], [2.0, 0.0]]]


def test_a_line_of_many_readings_is_thinned_and_keeps_its_peak(
    points: dict[str, int], viewer: FlaskClient, database: Database
) -> None:
    now = datetime.now(UTC)
    with database.write() as session:
        for second in range(1500):
            value = 5000.0 if second == 700 else float(second % 10)
            read(session, points["power"], now - timedelta(seconds=1500 - second), value)
    ((_, times, values),) = viewer.get(f"/live/lines?points={points['power']}").get_json()["lines"]
    assert len(times) <= 2 * LINE_PIXELS
    assert max(values) == 5000.0
    assert times == sorted(times)


@pytest.mark.parametrize("query", ["points=a", "points=1,two", "points=1.5"])
def test_a_question_that_makes_no_sense_is_answered_with_how_to_ask(viewer: FlaskClient, query: str) -> None:
    response = viewer.get(f"/live/lines?{query}")
    assert response.status_code == 400
    assert "/live/lines?points=" in response.get_json()["error"]


def test_too_many_lines_are_refused(viewer: FlaskClient) -> None:
    response = viewer.get(f"/live/lines?points={','.join(map(str, range(MOST_LINES + 1)))}")
    assert response.status_code == 400
    assert f"at most {MOST_LINES}" in response.get_json()["error"]


def test_no_points_and_points_that_are_gone_have_no_lines(viewer: FlaskClient) -> None:
    assert viewer.get("/live/lines").get_json()["lines"] == []
    assert viewer.get("/live/lines?points=4711").get_json()["lines"] == []


# Who sees what


def test_a_stranger_is_told_nothing(server: Flask) -> None:
    client = server.test_client()
    for path in ("/live/points", "/live/lines?points=1"):
        response = client.get(path)
        assert response.status_code == 401
        assert b"North" not in response.data


def test_a_limited_viewer_is_told_of_his_gateways_only(
    points: dict[str, int], viewer: FlaskClient, database: Database
) -> None:
    now = datetime.now(UTC)
    with database.write() as session:
        for point_id in points.values():
            read(session, point_id, now, 7.0)
        user = find_user(session, "viewer")
        assert user is not None
        south = session.query(Gateway).filter_by(name="South").one()
        limit_user(session, user, [south.id])
    said = viewer.get("/live/points").get_json()
    assert [gateway[1] for gateway in said["gateways"]] == ["South"]
    assert [device[1] for device in said["devices"]] == [2]
    assert [point[0] for point in said["points"]] == [points["power"]]
    lines = viewer.get(f"/live/lines?points={points['energy']},{points['power']}").get_json()["lines"]
    assert [line[0] for line in lines] == [points["power"]]


# The page


def test_the_page_is_open_to_everybody_who_is_signed_in(viewer: FlaskClient) -> None:
    page = json.dumps(call_back(viewer, "shell-page.children", {"shell-location": "/live"}))
    assert "live-grid-box" in page and "Loading the points" in page


def test_the_library_of_the_grid_is_ours_to_serve_and_no_other_page_loads_it(viewer: FlaskClient) -> None:
    page = json.dumps(call_back(viewer, "shell-page.children", {"shell-location": "/live"}))
    found = re.search(r'"data-library": "([^"]+)"', page)
    assert found is not None
    assert not re.search(r'<script src="[^"]*dash_ag_grid', viewer.get("/").text)
    response = viewer.get(found[1])
    assert response.status_code == 200
    assert response.mimetype in ("application/javascript", "text/javascript")
    assert "max-age" in response.headers["Cache-Control"]


def test_every_pick_has_a_look_of_its_own_in_both_themes() -> None:
    for look in looks().values():
        lines = [(line["color"], line["dash"]) for line in look["lines"]]
        assert len(set(lines)) == len(lines) == MOST_PICKED


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_lines_stand_out_from_the_panel(theme: Any) -> None:
    panel = luminance(PALETTES[theme].panel)
    for line in looks()[theme]["lines"]:
        dark, bright = sorted((panel, luminance(line["color"])))
        assert (bright + 0.05) / (dark + 0.05) >= 3.0, line


def luminance(colour: str) -> float:
    """WCAG's relative luminance of a colour like #3e5c76."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_question_of_a_line_is_read_as_numbers() -> None:
    assert live_points.parse_points("3,1,,2") == [3, 1, 2]
