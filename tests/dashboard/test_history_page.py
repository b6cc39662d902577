"""What the page History answers: to an address, for its picker, and to deeds with notes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import orjson
import pytest
from dash import Dash
from flask import Flask
from plotly.io.json import to_json_plotly

from dashboard.history_answer import answer
from dashboard.history_catalogue import catalogue
from dashboard.history_json import rounded
from dashboard.history_notes import NOT_ALLOWED, do
from dashboard.history_view import parse_view
from dashboard.pages import history
from dashboard.viewer import Viewer
from models.access import seen
from models.annotations import annotations_between
from models.database import Database, from_ms, to_ms
from models.device_template import new_device
from models.gateways import DataPoint, Gateway, Kind, Quantity, Site
from models.readings import Quality, insert_settled
from models.rollups import advance
from models.users import Role

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
START, MINUTE_MS = to_ms(NOW - timedelta(hours=26)), 60_000
GAP = range(START + 600 * MINUTE_MS, START + 660 * MINUTE_MS)
OPERATOR = Viewer(2, "key", "o.perator", Role.OPERATOR)
VIEWER = Viewer(3, "key", "v.iewer", Role.VIEWER)


@pytest.fixture
def points(database: Database) -> list[int]:
    """The active power of two meters behind two gateways, read each minute for 26 hours, with an hour missing."""
    with database.write() as session:
        site = Site(name="Plant Nord", time_zone="Europe/Berlin", is_simulated=True)
        for number, name in enumerate(("Paint shop", "Welding")):
            gateway = Gateway(site=site, name=name, host=f"10.0.0.{number}", poll_interval_s=60.0)
            gateway.devices = [new_device("eastron-sdm120", 2, "Meter 1")]
            session.add(gateway)
    with database.read() as session:
        found = session.query(DataPoint.id).where(DataPoint.quantity == Quantity.ACTIVE_POWER).order_by(DataPoint.id)
        ids = [row.id for row in found]
    times = [at for at in range(START, to_ms(NOW), MINUTE_MS) if at not in GAP]
    rows = [(point, at, 100.0 * point + at // MINUTE_MS % 60, int(Quality.GOOD)) for point in ids for at in times]
    insert_settled(database, rows)
    return ids


@pytest.fixture
def page(database: Database) -> Iterator[Database]:
    """Where nobody has to sign in, everything may be seen."""
    with Flask("monitor").app_context():
        yield database


def ask(database: Database, search: str, pixels: int = 1000) -> dict[str, Any]:
    """The answer as it reaches the page."""
    answered = history.answered(database, {"search": search, "pixels": pixels, "number": 7}, NOW)
    return dict(orjson.loads(to_json_plotly(answered)))


def test_every_reading_is_drawn_where_there_is_room(page: Database, points: list[int]) -> None:
    said = ask(page, f"?points={points[0]}&range=1h")
    track = said["tracks"][str(points[0])]
    assert (said["number"], said["problem"], said["resolution"]) == (7, None, "every reading")
    assert track["is_raw"] and len(track["times"]) == 60
    assert [said["start_ms"] + at for at in track["times"][:2]] == [
        to_ms(NOW) - 60 * MINUTE_MS,
        to_ms(NOW) - 59 * MINUTE_MS,
    ]


def test_fewer_pixels_get_buckets_that_keep_the_extremes(page: Database, points: list[int]) -> None:
    said = ask(page, f"?points={points[0]}&range=24h", pixels=100)
    track = said["tracks"][str(points[0])]
    assert not track["is_raw"] and len(track["times"]) <= 200
    assert said["resolution"].startswith("means of ")
    assert max(track["greatest"]) == track["statistics"]["maximum"] == 100.0 * points[0] + 59


def test_the_statistics_are_those_of_what_is_drawn(page: Database, points: list[int]) -> None:
    advance(page, NOW)
    for pixels in (100, 1000):
        track = ask(page, f"?points={points[0]}&range=24h", pixels)["tracks"][str(points[0])]
        drawn = len(track["times"]) if track["is_raw"] else sum(track["counts"])
        assert track["statistics"]["count"] == drawn
        assert track["statistics"]["minimum"] == min(track["values"] if track["is_raw"] else track["least"])


def test_a_gap_is_sent_with_its_reason(page: Database, points: list[int]) -> None:
    gaps = ask(page, f"?points={points[0]}&range=24h")["tracks"][str(points[0])]["gaps"]
    assert [(start, end) for start, end, _, _ in gaps] == [(GAP.start - MINUTE_MS, GAP.stop)]
    assert gaps[0][2], "a reason is never empty"


def test_no_trace_has_more_than_two_thousand_buckets(page: Database, points: list[int]) -> None:
    said = ask(page, f"?points={points[0]},{points[1]}&range=24h", pixels=10**6)
    assert all(len(track["times"]) <= 2000 for track in said["tracks"].values())


def test_points_of_one_unit_share_a_panel_unless_they_are_to_be_separate(page: Database, points: list[int]) -> None:
    search = f"?points={points[0]},{points[1]}&range=1h"
    assert [panel["points"] for panel in ask(page, search)["panels"]] == [points]
    assert [panel["points"] for panel in ask(page, search + "&axes=separate")["panels"]] == [[points[0]], [points[1]]]


def test_the_day_before_lies_under_the_same_time_of_the_clock(page: Database, points: list[int]) -> None:
    said = ask(page, f"?points={points[0]}&range=1h&compare=day")
    now, before = said["tracks"][str(points[0])], said["compared"]["tracks"][str(points[0])]
    assert said["compared"]["words"] == "the day before"
    assert before["times"] == now["times"]


def test_points_that_are_gone_are_named_and_the_others_are_drawn(page: Database, points: list[int]) -> None:
    said = ask(page, f"?points=98765,{points[0]}&range=1h")
    assert list(said["tracks"]) == [str(points[0])]
    assert "98765 is gone" in said["warnings"][0]


def test_a_range_without_readings_says_so(page: Database, points: list[int]) -> None:
    said = ask(page, f"?points={points[0]}&start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z")
    assert "no readings in this range" in said["warnings"][0]
    assert said["tracks"][str(points[0])]["gaps"], "all of it is a gap"


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ("?points=1&start=2026-11-22T00:00:00Z&end=2026-11-21T00:00:00Z", "inside out"),
        ("?points=1&start=2026-11-22T00:00:00Z", "no end"),
        ("?points=one", "no number of a point"),
        ("?points=1&range=soon", "no range"),
        ("?points=1&zone=Europe/Atlantis", "no time zone"),
        ("?points=" + ",".join(map(str, range(1000))), "too many"),
    ],
)
def test_bad_input_is_answered_with_a_sentence(page: Database, points: list[int], search: str, words: str) -> None:
    said = ask(page, search)
    assert words in said["problem"] and said["problem"].endswith(".")
    assert said["tracks"] == {} and not said["is_away"]


def test_of_more_points_than_can_be_told_apart_the_first_are_drawn(page: Database, points: list[int]) -> None:
    with page.read() as session:
        ids = [row.id for row in session.query(DataPoint.id).where(DataPoint.kind != Kind.TEXT)][:20]
    said = ask(page, f"?points={','.join(map(str, ids))}&range=1h")
    assert [point["id"] for point in said["points"]] == ids[:12]
    assert "first 12" in said["warnings"][0]


def test_times_are_shown_in_the_sites_zone_unless_the_address_names_another(page: Database, points: list[int]) -> None:
    assert ask(page, f"?points={points[0]}")["clock"][0][1:] == [60 * MINUTE_MS, "CET"]
    assert ask(page, f"?points={points[0]}&zone=Asia/Kathmandu")["clock"][0][1:] == [345 * MINUTE_MS, "UTC+05:45"]


def test_the_catalogue_lists_points_by_gateway_and_device(page: Database, points: list[int]) -> None:
    with page.read() as session:
        found = catalogue(session, 12)
    assert [gateway["name"] for gateway in found["gateways"]] == ["GW-01 Paint shop", "GW-02 Welding"]
    assert found["gateways"][0]["devices"][0]["name"] == "Meter 1"
    assert [points[0], "Active power", "W"] in found["gateways"][0]["devices"][0]["points"]


def test_a_limited_user_neither_finds_nor_draws_other_gateways(database: Database, points: list[int]) -> None:
    with seen(database, frozenset({2})) as session:
        found = catalogue(session, 12)
        view = parse_view(f"?points={points[0]},{points[1]}&range=1h", NOW, BERLIN)
        drawn = answer(session, view, VIEWER, number=1, pixels=500, zone=BERLIN, now=NOW)
    assert [gateway["id"] for gateway in found["gateways"]] == [2]
    assert [point["id"] for point in drawn["points"]] == [points[1]]
    assert str(points[0]) in drawn["warnings"][0]


def test_a_database_that_is_away_is_said_in_a_sentence(tmp_path_factory: pytest.TempPathFactory) -> None:
    away = Database(f"sqlite:///{tmp_path_factory.mktemp('empty')}/none/monitor.db")
    with Flask("monitor").app_context():
        said = ask(away, "?points=1")
    assert said["is_away"] and "can't be read" in said["problem"]


def test_means_are_sent_without_the_noise_of_their_sum() -> None:
    assert rounded(np.array([1234.567890123456, np.nan, -2 / 3])).tolist()[::2] == [1234.56789, -0.66667]


# Notes


def deed(**changed: Any) -> dict[str, Any]:
    return {"kind": "add", "id": None, "text": "Oven on", "start": "2026-11-22T12:00:00", "end": "", **changed}


def noted(database: Database) -> list[tuple[str, datetime, datetime | None, str]]:
    with database.read() as session:
        found = annotations_between(session, from_ms(0), NOW + timedelta(days=999))
    return [(one.text, one.start_at, one.end_at, one.author) for one in found]


def test_a_note_is_kept_at_its_time_on_the_sites_clock(database: Database, points: list[int]) -> None:
    assert do(database, deed(point_id=points[0]), OPERATOR, BERLIN, NOW) is None
    assert noted(database) == [("Oven on", datetime(2026, 11, 22, 11, tzinfo=UTC), None, "o.perator")]


def test_a_note_is_changed_and_deleted(database: Database, points: list[int]) -> None:
    do(database, deed(), OPERATOR, BERLIN, NOW)
    changed = deed(kind="change", id=1, text="Oven off", start="2026-11-22T10:00:00Z", end="2026-11-22T11:30:00Z")
    assert do(database, changed, OPERATOR, BERLIN, NOW) is None
    assert [(text, str(end)[11:16]) for text, _, end, _ in noted(database)] == [("Oven off", "11:30")]
    assert do(database, {"kind": "delete", "id": 1}, OPERATOR, BERLIN, NOW) is None
    assert noted(database) == []


@pytest.mark.parametrize("who", [VIEWER, Viewer(4, "key", "wall", Role.SCREEN), None])
def test_others_than_operators_and_administrators_write_nothing(
    database: Database, points: list[int], who: Viewer | None
) -> None:
    assert do(database, deed(), who, BERLIN, NOW) == NOT_ALLOWED
    assert noted(database) == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"text": "  "}, "no words"),
        ({"start": "tomorrow"}, "can't be read"),
        ({"end": "2026-11-22T11:00:00"}, "end before it begins"),
        ({"point_id": 98765}, "gone"),
        ({"kind": "change", "id": 55}, "gone"),
        ({"kind": "burn"}, "too old"),
    ],
)
def test_a_note_that_cannot_be_kept_is_refused_with_a_sentence(
    database: Database, points: list[int], wrong: dict[str, Any], words: str
) -> None:
    said = do(database, deed(**wrong), OPERATOR, BERLIN, NOW)
    assert said is not None and words in said and said.endswith(".")
    assert noted(database) == []


def test_the_notes_of_a_picture_come_with_it(page: Database, points: list[int]) -> None:
    do(page, deed(point_id=points[0]), OPERATOR, BERLIN, NOW)
    said = ask(page, f"?points={points[0]}&range=6h")
    assert [(note["text"], note["author"], note["may_change"]) for note in said["annotations"]] == [
        ("Oven on", "o.perator", False)
    ]
    assert said["annotations"][0]["about"].startswith("Paint shop")


def test_the_page_registers_and_its_ids_begin_with_its_name(page: Database) -> None:
    app = Dash("test", server=Flask("monitor"))  # type: ignore[arg-type]  # it takes a Flask
    history.register(app, page, lambda: None)  # type: ignore[arg-type, return-value]
    layout = history.layout(page)
    ids = [one.id for one in layout._traverse() if getattr(one, "id", None)]  # type: ignore[no-untyped-call]
    assert len(ids) == len(set(ids)) and all(one.startswith("history-") for one in ids)
