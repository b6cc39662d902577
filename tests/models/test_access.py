"""A limited user sees the gateways assigned and nothing of the others, whatever is asked."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.access import limit_user, seen, sight_of
from models.database import Database, to_ms
from models.energy import demand, energy_today
from models.events import EventKind, log_event, newest_events
from models.gateways import DataPoint, Device, Gateway, Outcome, Quantity, Site, load_gateways
from models.link_quality import link_quality
from models.polls import Poll, poll_summary, store_polls
from models.readings import Quality, Sample
from models.users import Role, create_user, find_user
from tests.models.plant import add_gateway, add_meter, add_site, read

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@pytest.fixture
def two(database: Database) -> Database:
    """North (gateway 1) and South (gateway 2), each with a meter of 1 kW, a poll and an event; and an event of none."""
    with database.write() as session:
        site = add_site(session)
        for name in ("North", "South"):
            gateway = add_gateway(session, site, name)
            power = add_meter(session, gateway, Quantity.ACTIVE_POWER)
            energy = add_meter(session, gateway, Quantity.ENERGY_IMPORT)
            read(session, energy, NOW - timedelta(hours=2), 10.0)
            read(session, energy, NOW - timedelta(seconds=1), 12.0)
            sample = Sample(power, to_ms(NOW) - 1000, 1000.0, Quality.GOOD, None)
            store_polls(
                session,
                [Poll(gateway.id, NOW - timedelta(seconds=2), 900, 20.0, 20.0, Outcome.OK, "", [sample])],
            )
            log_event(session, at=NOW, kind=EventKind.UNIT_SILENT, text=name, gateway_id=gateway.id)
        log_event(session, at=NOW, kind=EventKind.SIGNED_IN, text="olga signed in")
        create_user(session, "vera", Role.VIEWER, NOW)
    return database


def site_of(session: Session) -> Site:
    return session.scalars(select(Site)).one()


QUESTIONS: dict[str, tuple[Callable[[Session], Any], Any]] = {
    "gateways": (lambda s: [g.name for g in load_gateways(s)], ["South"]),
    "gateway by id": (lambda s: s.get(Gateway, 1), None),
    "columns": (lambda s: s.scalars(select(Gateway.name)).all(), ["South"]),
    "counts": (lambda s: s.scalars(select(func.count(Gateway.id))).one(), 1),
    "sums of expressions": (lambda s: s.scalars(select(func.sum(1.0 / Gateway.poll_interval_s))).one(), 0.2),
    "joined": (
        lambda s: s.scalars(
            select(func.count()).select_from(Gateway).join(Device).join(DataPoint).where(DataPoint.enabled)
        ).one(),
        2,
    ),
    "devices": (lambda s: {d.gateway_id for d in s.scalars(select(Device))}, {2}),
    "points": (lambda s: sorted(s.scalars(select(DataPoint.id))), [3, 4]),
    "points by id": (lambda s: s.scalars(select(DataPoint.id).where(DataPoint.id.in_([1, 2, 3]))).all(), [3]),
    "events": (lambda s: {event.gateway_id for event in newest_events(s, 100)}, {2}),
    "links": (lambda s: list(link_quality(s, NOW - timedelta(hours=1), NOW)), [2]),
    "polls": (lambda s: poll_summary(s, NOW - timedelta(hours=1), NOW).readings, 1),
    "demand": (lambda s: round(demand(s, site_of(s), NOW).power_w or 0), 1000),
    "energy": (lambda s: energy_today(s, site_of(s), NOW).meters, 1),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_limited_session_finds_only_what_is_in_sight(two: Database, question: str) -> None:
    ask, expected = QUESTIONS[question]
    with seen(two, frozenset({2})) as session:
        assert ask(session) == expected


def test_a_session_without_limits_finds_all(two: Database) -> None:
    with seen(two, None) as session:
        assert [gateway.name for gateway in load_gateways(session)] == ["North", "South"]
        assert {event.gateway_id for event in newest_events(session, 100)} == {1, 2, None}


def test_the_limit_of_one_session_is_not_that_of_the_next(two: Database) -> None:
    with seen(two, frozenset({1})) as session:
        assert session.scalars(select(Gateway.name)).all() == ["North"]
    with seen(two, frozenset({2})) as session:
        assert session.scalars(select(Gateway.name)).all() == ["South"]
    with two.read() as session:
        assert len(session.scalars(select(Gateway.name)).all()) == 2


def test_a_user_is_limited_and_let_go_again(two: Database) -> None:
    sights = []
    for gateway_ids in (None, [2], [1, 2], None):
        with two.write() as session:
            vera = find_user(session, "vera")
            assert vera is not None
            limit_user(session, vera, gateway_ids)
            sights.append(sight_of(session, vera))
    assert sights == [None, frozenset({2}), frozenset({1, 2}), None]


def test_who_may_see_one_gateway_sees_none_once_it_is_deleted(two: Database) -> None:
    with two.write() as session:
        vera = find_user(session, "vera")
        assert vera is not None
        limit_user(session, vera, [2])
    with two.write() as session:
        session.delete(session.get_one(Gateway, 2))
    with two.read() as session:
        vera = find_user(session, "vera")
        assert vera is not None and sight_of(session, vera) == frozenset()
