"""A viewer limited to one gateway is told of no other by any page, callback or address."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard import create_dashboard
from dashboard.auth import register_auth
from models.access import limit_user
from models.api_tokens import create_token
from models.database import Database, to_ms
from models.events import EventKind, log_event
from models.gateways import Quantity
from models.users import Role, find_user
from settings import Settings
from tests.dashboard.conftest import sign_in
from tests.models.plant import add_gateway, add_meter, add_site, read

NOW = datetime.now(UTC)


@pytest.fixture
def application(people: None, database: Database, settings: Settings) -> Flask:
    """North and South with a meter each; the viewer is limited to South."""
    with database.write() as session:
        site = add_site(session)
        for name, power_w in (("North", 111.0), ("South", 222.0)):
            gateway = add_gateway(session, site, name)
            gateway.area = f"{name} hall"
            read(session, add_meter(session, gateway, Quantity.ACTIVE_POWER), NOW - timedelta(seconds=5), power_w)
            log_event(session, at=NOW, kind=EventKind.UNIT_SILENT, text=f"{name} meter", gateway_id=gateway.id)
        log_event(session, at=NOW, kind=EventKind.SIGNED_IN, text="olga signed in")
        viewer = find_user(session, "viewer")
        assert viewer is not None
        limit_user(session, viewer, [2])
    server = Flask("monitor", static_folder=None)
    register_auth(server, database=database, settings=settings)
    create_dashboard(server, database=database, settings=settings)
    return server


@pytest.fixture
def limited(application: Flask) -> FlaskClient:
    client = application.test_client()
    sign_in(client, "viewer")
    return client


def facts_request() -> dict[str, Any]:
    outputs = [
        {"id": name, "property": what}
        for name, what in (("overview-facts", "data"), ("overview-events", "children"), ("overview-error", "children"))
    ]
    inputs = [
        {"id": "shell-refresh", "property": "n_intervals", "value": 1},
        {"id": "shell-changed", "property": "data", "value": 0},
    ]
    return {
        "output": "..overview-facts.data...overview-events.children...overview-error.children..",
        "outputs": outputs,
        "inputs": inputs,
        "changedPropIds": ["shell-refresh.n_intervals"],
    }


def page_request() -> dict[str, Any]:
    return {
        "output": "..shell-page.children...shell-page.data-path..",
        "outputs": [{"id": "shell-page", "property": name} for name in ("children", "data-path")],
        "inputs": [{"id": "shell-location", "property": "pathname", "value": "/"}],
        "state": [{"id": "shell-page", "property": "data-path", "value": "/elsewhere"}],
        "changedPropIds": ["shell-location.pathname"],
    }


def answers(client: FlaskClient) -> dict[str, str]:
    """All that the page of the browser asks for."""
    since_ms = to_ms(NOW) - 60_000
    return {
        "index": client.get("/").text,
        "layout": client.get("/_dash-layout").text,
        "page": client.post("/_dash-update-component", json=page_request()).text,
        "facts": client.post("/_dash-update-component", json=facts_request()).text,
        "snapshot": client.get("/live/snapshot").text,
        "readings": client.get(f"/live/readings?points=1,2&after={since_ms}").text,
    }


def test_a_limited_viewer_is_told_of_one_gateway_only(limited: FlaskClient) -> None:
    found = answers(limited)
    for what, answer in found.items():
        assert "North" not in answer and "111" not in answer and "System" not in answer, what
    for what in ("index", "layout", "facts", "snapshot"):
        assert "South" in found[what], what
    assert "222" in found["readings"] and "222" in found["snapshot"]


def test_another_who_asks_in_the_same_second_is_told_all(application: Flask, limited: FlaskClient) -> None:
    answers(limited)
    other = application.test_client()
    sign_in(other, "operator")
    facts = answers(other)["facts"]
    assert "North" in facts and "System" in facts
    assert "North" not in answers(limited)["facts"]


def test_a_limited_program_is_told_of_one_gateway_only(application: Flask, database: Database) -> None:
    with database.write() as session:
        token = create_token(session, "tenant", Role.VIEWER, NOW, gateway_ids=[2])
    client = application.test_client()
    answer = client.get("/live/snapshot", headers={"Authorization": f"Bearer {token}"}).text
    assert "South" in answer and "North" not in answer


def test_new_limits_are_in_force_at_the_next_request(limited: FlaskClient, database: Database) -> None:
    assert "South" in limited.get("/live/snapshot").text
    limit_viewer(database, [1])
    answer = limited.get("/live/snapshot").text
    assert "North" in answer and "South" not in answer
    limit_viewer(database, None)
    answer = limited.get("/live/snapshot").text
    assert "North" in answer and "South" in answer


def limit_viewer(database: Database, gateway_ids: list[int] | None) -> None:
    with database.write() as session:
        viewer = find_user(session, "viewer")
        assert viewer is not None
        limit_user(session, viewer, gateway_ids)
