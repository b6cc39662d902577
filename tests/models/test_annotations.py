"""Annotations: who wrote what about which time; shared by all who may see what it is about."""

from datetime import UTC, datetime, timedelta

import pytest

from models.access import seen
from models.annotations import (
    LONGEST_TEXT,
    MOST_SHOWN,
    Annotation,
    Author,
    BadAnnotation,
    add_annotation,
    annotations_between,
    change_annotation,
    delete_annotation,
    may_annotate,
)
from models.database import Database
from models.gateways import Gateway, Quantity
from models.users import Role
from tests.models.plant import add_gateway, add_meter, add_site

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
OLGA = Author(7, "olga")
TENANT = Author(8, "tenant", frozenset({2}))


@pytest.fixture
def plant(database: Database) -> Database:
    """North (gateway 1) with point 1, South (gateway 2) with point 2."""
    with database.write() as session:
        site = add_site(session)
        for name in ("North", "South"):
            add_meter(session, add_gateway(session, site, name), Quantity.ACTIVE_POWER)
    return database


def write(
    database: Database,
    words: str,
    at: datetime = NOW,
    end_at: datetime | None = None,
    author: Author = OLGA,
    gateway_id: int | None = None,
    point_id: int | None = None,
) -> int:
    with database.write() as session:
        return add_annotation(
            session, author, words, at, end_at, gateway_id=gateway_id, point_id=point_id, now=NOW + HOUR
        )


def read(
    database: Database,
    start_at: datetime = NOW - HOUR,
    end_at: datetime = NOW + HOUR,
    points: list[int] | None = None,
    sight: frozenset[int] | None = None,
) -> list[Annotation]:
    with seen(database, sight) as session:
        return annotations_between(session, start_at, end_at, points)


def test_an_annotation_says_who_when_and_what(plant: Database) -> None:
    write(plant, "  new compressor\n", NOW, NOW + HOUR / 2, point_id=1)
    (found,) = read(plant)
    assert (found.text, found.author, found.created_at) == ("new compressor", "olga", NOW + HOUR)
    assert (found.start_at, found.end_at) == (NOW, NOW + HOUR / 2)
    assert (found.gateway_id, found.data_point_id, found.about) == (1, 1, "North · Meter 1 · active_power")


def test_of_a_gateway_and_of_the_site(plant: Database) -> None:
    write(plant, "moved", gateway_id=2)
    write(plant, "power cut")
    assert [(one.about, one.text) for one in read(plant)] == [("South", "moved"), ("", "power cut")]


@pytest.mark.parametrize(
    ("start_h", "end_h", "is_shown"),
    [(-2, -1, False), (-1, 0, False), (-1, 0.5, True), (0.5, 0.6, True), (1, 2, True), (1.1, 2, False)],
)
def test_what_shares_a_moment_with_the_range_is_shown(
    plant: Database, start_h: float, end_h: float, is_shown: bool
) -> None:
    write(plant, "shutdown", NOW, NOW + HOUR)
    assert bool(read(plant, NOW + start_h * HOUR, NOW + end_h * HOUR)) is is_shown


def test_one_moment_is_shown_in_its_range(plant: Database) -> None:
    write(plant, "switched", NOW, NOW)
    assert read(plant, NOW, NOW + HOUR)[0].end_at is None
    assert read(plant, NOW - HOUR, NOW) == []


def test_those_of_other_points_are_left_out(plant: Database) -> None:
    for words, ids in (
        ("site", {}),
        ("North", {"gateway_id": 1}),
        ("point 1", {"point_id": 1}),
        ("2", {"point_id": 2}),
    ):
        write(plant, words, **ids)  # type: ignore[arg-type]  # each is one of the ids
    assert [one.text for one in read(plant, points=[1])] == ["site", "North", "point 1"]


def test_the_newest_of_many_are_shown(plant: Database) -> None:
    with plant.write() as session:
        for number in range(MOST_SHOWN + 5):
            add_annotation(session, OLGA, str(number), NOW + timedelta(seconds=number), now=NOW)
    shown = read(plant)
    assert len(shown) == MOST_SHOWN and shown[0].text == "5" and shown[-1].text == str(MOST_SHOWN + 4)


def test_words_and_time_are_changed_the_author_stays(plant: Database) -> None:
    number = write(plant, "compresor", point_id=1)
    with plant.write() as session:
        change_annotation(session, Author(9, "pia"), number, "compressor", NOW - HOUR / 2, NOW)
    (found,) = read(plant)
    assert (found.text, found.start_at, found.end_at, found.author) == ("compressor", NOW - HOUR / 2, NOW, "olga")


def test_one_is_deleted(plant: Database) -> None:
    number = write(plant, "wrong")
    with plant.write() as session:
        delete_annotation(session, OLGA, number)
    assert read(plant) == []
    with pytest.raises(BadAnnotation, match="is gone"), plant.write() as session:
        delete_annotation(session, OLGA, number)
    with pytest.raises(BadAnnotation, match="is gone"), plant.write() as session:
        change_annotation(session, OLGA, number, "x", NOW)


@pytest.mark.parametrize(
    ("words", "end_at", "ids", "complaint"),
    [
        ("", None, {}, "no words"),
        (" \n", None, {}, "no words"),
        ("x" * (LONGEST_TEXT + 1), None, {}, "501 letters; shorten it to 500"),
        ("x", NOW - HOUR, {}, "end before it begins"),
        ("x", NOW + timedelta(days=5000), {}, "more than ten years"),
        ("x", None, {"point_id": 99}, "point 99 is gone"),
        ("x", None, {"gateway_id": 99}, "gateway 99 is gone"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_a_sentence(
    plant: Database, words: str, end_at: datetime | None, ids: dict[str, int], complaint: str
) -> None:
    with pytest.raises(BadAnnotation, match=complaint):
        write(plant, words, NOW, end_at, **ids)  # type: ignore[arg-type]  # each is one of the ids
    assert read(plant) == []


def test_a_zero_byte_is_left_out(plant: Database) -> None:
    write(plant, "a\0b")
    assert read(plant)[0].text == "ab"


def test_a_limited_reader_sees_those_of_their_gateways_only(plant: Database) -> None:
    write(plant, "North", gateway_id=1)
    write(plant, "South", point_id=2)
    write(plant, "site")
    assert [one.text for one in read(plant, sight=frozenset({2}))] == ["South"]


@pytest.mark.parametrize(
    ("ids", "complaint"),
    [({"point_id": 1}, "not yours"), ({"gateway_id": 1}, "not yours"), ({}, "a part of the site only")],
)
def test_a_limited_writer_writes_about_their_gateways_only(
    plant: Database, ids: dict[str, int], complaint: str
) -> None:
    with pytest.raises(BadAnnotation, match=complaint):
        write(plant, "x", author=TENANT, **ids)  # type: ignore[arg-type]  # each is one of the ids
    number = write(plant, "theirs", author=TENANT, point_id=2)
    other = write(plant, "of others", gateway_id=1)
    with plant.write() as session:
        change_annotation(session, TENANT, number, "still theirs", NOW)
    with pytest.raises(BadAnnotation, match="is gone"), plant.write() as session:
        delete_annotation(session, TENANT, other)
    assert [one.text for one in read(plant)] == ["still theirs", "of others"]


def test_without_a_site_there_is_nothing_to_write_about(database: Database) -> None:
    with pytest.raises(BadAnnotation, match="no site yet"):
        write(database, "x")


def test_what_was_written_outlives_the_gateway(plant: Database) -> None:
    write(plant, "replaced", point_id=1)
    with plant.write() as session:
        session.delete(session.get_one(Gateway, 1))
    (found,) = read(plant)
    assert (found.text, found.about) == ("replaced", "")


def test_operators_and_administrators_write() -> None:
    assert [role.value for role in Role if may_annotate(role)] == ["admin", "operator"]
    assert not may_annotate(None)
