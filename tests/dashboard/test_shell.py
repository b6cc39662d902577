"""The frame around every page."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard import create_dashboard
from dashboard.auth import register_auth
from models.database import Database
from models.gateways import Site
from settings import Settings
from tests.dashboard.conftest import sign_in


@pytest.fixture
def signed_in(people: None, database: Database, settings: Settings) -> FlaskClient:
    """The browser of an operator on the whole dashboard."""
    server = Flask("monitor", static_folder=None)
    register_auth(server, database=database, settings=settings)
    create_dashboard(server, database=database, settings=settings)
    client = server.test_client()
    sign_in(client, "operator")
    return client


@pytest.fixture
def open_house(database: Database, settings: Settings) -> FlaskClient:
    """A browser on a dashboard without sign-in."""
    server = Flask("monitor", static_folder=None)
    create_dashboard(server, database=database, settings=settings)
    return server.test_client()


def found(part: Any, **wanted: Any) -> list[dict[str, Any]]:
    """The properties of all components below a part of a layout that have these properties."""
    if isinstance(part, list):
        return [hit for one in part for hit in found(one, **wanted)]
    if not isinstance(part, dict):
        return []
    properties = part.get("props", {})
    hits = [properties] if wanted.items() <= properties.items() else []
    return hits + found(properties.get("children"), **wanted)


def test_the_frame_names_the_user_and_the_way_out_works(signed_in: FlaskClient) -> None:
    layout = signed_in.get("/_dash-layout").get_json()
    assert found(layout, className="m-user")[0]["children"] == "operator"
    (form,) = found(layout, action="/sign-out", method="POST")
    (token,) = found(form["children"], name="csrf_token")
    assert signed_in.post("/sign-out", data={"csrf_token": token["value"]}).status_code == 303
    assert signed_in.get("/_dash-layout").status_code == 401


def test_without_sign_in_nobody_is_named(open_house: FlaskClient) -> None:
    layout = open_house.get("/_dash-layout").get_json()
    assert found(layout, className="m-user") == found(layout, action="/sign-out") == []


@pytest.mark.parametrize("is_simulated", [True, False])
def test_a_simulated_plant_is_said_to_be_one(open_house: FlaskClient, database: Database, is_simulated: bool) -> None:
    with database.write() as session:
        session.add(Site(name="Plant Nord", time_zone="Europe/Berlin", is_simulated=is_simulated))
    layout = open_house.get("/_dash-layout").get_json()
    assert found(layout, className="m-site")[0]["children"] == "Plant Nord"
    assert bool(found(layout, className="m-simulated")) is is_simulated


def test_there_is_one_socket_and_polling_waits_until_it_is_needed(open_house: FlaskClient) -> None:
    layout = open_house.get("/_dash-layout").get_json()
    assert len(found(layout, id="shell-socket")) == 1
    assert found(layout, id="shell-fallback")[0]["disabled"] is True


def test_the_keyboard_can_skip_to_the_content_and_changes_of_the_connection_are_spoken(open_house: FlaskClient) -> None:
    layout = open_house.get("/_dash-layout").get_json()
    assert found(layout, className="m-skip")[0]["href"] == "#shell-page"
    assert found(layout, id="shell-page")[0]["tabIndex"] == "-1"
    assert found(layout, id="shell-connection-spoken")[0]["role"] == "status"
