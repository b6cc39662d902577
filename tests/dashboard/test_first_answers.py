"""What a page brings along of what Dash asks for first."""

import json
import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError

from dashboard.first_answers import BLOCK
from dashboard.pages import live
from models.database import Database
from models.gateways import Site
from settings import Settings
from tests.dashboard.test_dashboard import browse, call_back


@pytest.fixture
def client(database: Database, settings: Settings) -> FlaskClient:
    return browse(database, settings)


ANSWERS = re.compile(BLOCK.format(address='([^"]+)', text="(.*?)"), re.S)


def brought(client: FlaskClient, path: str) -> dict[str, Any]:
    return {address: json.loads(text) for address, text in ANSWERS.findall(client.get(path).text)}


def shown(client: FlaskClient, path: str) -> dict[str, Any]:
    """The part of the layout that holds the page."""
    parts = [part["props"] for part in brought(client, path)["/_dash-layout"]["props"]["children"]]
    return next(part for part in parts if part.get("id") == "shell-page")


def test_a_page_brings_the_answers_that_the_server_would_give(client: FlaskClient) -> None:
    found = brought(client, "/no-such-page")
    assert found["/_dash-dependencies"] == client.get("/_dash-dependencies").get_json()
    layout = client.get("/_dash-layout").get_json()
    assert found["/_dash-layout"]["type"] == layout["type"]
    assert len(found["/_dash-layout"]["props"]["children"]) == len(layout["props"]["children"])


@pytest.mark.parametrize("path", ["/", "/live", "/history", "/energy", "/no-such-page"])
def test_the_layout_holds_the_page_of_the_address(client: FlaskClient, path: str) -> None:
    page = shown(client, path)
    assert page["data-path"] == path
    asked = call_back(client, "shell-page.children", {"shell-location": path})
    assert page["children"] == asked["shell-page"]["children"]


def test_dash_asking_itself_is_answered_without_a_page(client: FlaskClient) -> None:
    assert "data-path" not in client.get("/_dash-layout").text


def test_what_a_page_is_told_is_stored_by_no_browser(client: FlaskClient) -> None:
    """The page itself is asked for again but may be kept in memory for going back."""
    assert client.get("/").headers["Cache-Control"] == "no-cache"
    assert client.get("/_dash-layout").headers["Cache-Control"] == "no-store"


def test_a_page_that_is_shown_is_not_made_again(client: FlaskClient) -> None:
    given = {"shell-location": "/live", "shell-page": "/live"}
    assert call_back(client, "shell-page.children", given) == {}
    assert "live-place" in str(call_back(client, "shell-page.children", {**given, "shell-page": "/"}))


def test_a_name_does_not_end_the_block_that_it_stands_in(client: FlaskClient, database: Database) -> None:
    name = "Hall</script><script>alert(1)</script>"
    with database.write() as session:
        session.add(Site(name=name, time_zone="Europe/Berlin"))
    assert name not in client.get("/").text
    assert name in json.dumps(brought(client, "/")["/_dash-layout"])


def test_a_page_that_cannot_be_made_is_left_to_the_browser(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_database: Database) -> None:
        raise OperationalError("SELECT 1", None, Exception("disk I/O error"))

    monkeypatch.setattr(live, "layout", fail)
    assert set(shown(client, "/live")) == {"id", "className", "tabIndex", "children"}
    assert shown(client, "/live")["children"] is None
