"""The dashboard as a web application: its pages, what they load and what they may load."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from plotly.offline import get_plotlyjs_version

from dashboard import PAGES, create_dashboard
from models.database import Database
from models.schema import upgrade
from settings import Settings
from tests.browser.plant import Plant

ASSETS = Path(__file__).parents[2] / "assets"


def browse(database: Database, settings: Settings) -> FlaskClient:
    server = Flask("monitor", static_folder=None)
    create_dashboard(server, database=database, settings=settings)
    return server.test_client()


@pytest.fixture
def client(database: Database, settings: Settings) -> FlaskClient:
    return browse(database, settings)


def call_back(client: FlaskClient, output: str, inputs: dict[str, Any]) -> Any:
    """Ask a Dash callback, as the page does."""
    dependencies = client.get("/_dash-dependencies").get_json()
    (callback,) = [one for one in dependencies if output in one["output"] and not one["clientside_function"]]
    names = [one.rsplit(".", 1) for one in callback["output"].strip(".").split("...")]
    outputs = [{"id": name, "property": part} for name, part in names]
    given = [{**one, "value": inputs.get(one["id"])} for one in callback["inputs"]]
    state = [{**one, "value": inputs.get(one["id"])} for one in callback["state"]]
    body = {
        "output": callback["output"],
        "outputs": outputs if callback["output"].startswith("..") else outputs[0],
        "inputs": given,
        "state": state,
        "changedPropIds": [],
    }
    response = client.post("/_dash-update-component", json=body)
    return response.get_json()["response"]


def test_a_page_loads_nothing_from_elsewhere(client: FlaskClient) -> None:
    page = client.get("/").text
    assert re.findall(r'(?:src|href)="((?:https?:)?//[^"]*)"', page) == []


def test_the_policy_lets_in_our_own_scripts_and_no_inline_script_but_the_theme_and_those_of_dash(
    client: FlaskClient,
) -> None:
    response = client.get("/")
    policy = response.headers["Content-Security-Policy"]
    script_rule = next(rule for rule in policy.split("; ") if rule.startswith("script-src"))
    assert "unsafe" not in script_rule
    inline = re.findall(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>(.*?)</script>", response.text, re.S)
    for script in inline:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in script_rule
    assert "frame-ancestors 'none'" in policy and "default-src 'self'" in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "same-origin"


def test_plotly_is_ours_and_of_the_version_that_dash_expects(client: FlaskClient) -> None:
    head = (ASSETS / "0-plotly" / "plotly-cartesian.min.js").read_text()[:400]
    assert f"v{get_plotlyjs_version()}" in head
    page = client.get("/store").text
    assert re.findall(r"<script[^>]*plotly[^>]*>", page) == [], "a page without charts does not wait for it"
    (address,) = re.findall(r'<link id="plotly" rel="prefetch" href="([^"]*)', page)
    with client.get(address) as kept:
        assert kept.status_code == 200 and "immutable" in kept.headers["Cache-Control"]
    assert f'<script id="plotly" src="{address}" async></script>' in client.get("/").text


def test_our_own_scripts_are_one_request_in_the_order_of_their_names(client: FlaskClient) -> None:
    (address,) = re.findall(r'<script src="(/assets/[^"]*)', client.get("/").text)
    with client.get(address) as answer:
        served = answer.get_data(as_text=True)
        names = re.findall(r"^// ([\w-]+\.js)$", served, re.M)
        assert names == sorted(path.name for path in ASSETS.glob("2-app/[0-9]-*.js"))
        assert all(path.read_text() in served for path in ASSETS.glob("2-app/[0-9]-*.js"))


def test_all_styles_are_one_request_with_bootstrap_before_our_own(client: FlaskClient) -> None:
    (address,) = re.findall(r'<link rel="stylesheet" href="([^"]*)', client.get("/").text)
    with client.get(address) as answer:
        served = answer.get_data(as_text=True)
        assert answer.mimetype == "text/css" and "immutable" in answer.headers["Cache-Control"]
    names = re.findall(r"^/\* ([\w.-]+\.css) \*/$", served, re.M)
    own = sorted(path.name for path in ASSETS.glob("2-app/[0-9]-*.css"))
    assert names == ["bootstrap.min.css", "inter.css", *own]
    for font in re.findall(r'url\("(?!data:)([^"]*)"\)', served):
        with client.get(font) as answer:
            assert answer.status_code == 200, font


@pytest.mark.parametrize("path", sorted(ASSETS.glob("2-app/*")), ids=lambda path: path.name)
def test_our_own_files_name_no_foreign_address(path: Path) -> None:
    foreign = re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", path.read_text())
    assert [address for address in foreign if address != "http://www.w3.org"] == []


@pytest.mark.parametrize("folder", ["0-plotly", "1-vendor/bootstrap", "1-vendor/inter"])
def test_what_others_wrote_has_its_licence_beside_it(folder: str) -> None:
    assert (
        "icens" in (ASSETS / folder / "LICENSE").read_text()
        or "Permission" in (ASSETS / folder / "LICENSE").read_text()
    )


def test_scripts_use_only_those_with_a_lower_number_while_they_load() -> None:
    """Dash loads them in the order of their names; what is destructured at the top must be there already."""
    defined = {"theme": 0}
    for path in sorted(ASSETS.glob("2-app/[0-9]-*.js")):
        text, layer = path.read_text(), int(path.name[0])
        for names in re.findall(r"const \{ ([\w, ]+) \} = monitor;", text):
            late = [name for name in names.split(", ") if defined.get(name, 99) >= layer]
            assert late == [], f"{path.name} needs {late} before they are there"
        defined.update(dict.fromkeys(re.findall(r"^window\.monitor\.(\w+) = ", text, re.M), layer))


def test_scripts_and_styles_are_compressed(client: FlaskClient) -> None:
    path = "/assets/0-plotly/plotly-cartesian.min.js"
    with client.get(path, headers={"Accept-Encoding": "gzip"}) as packed, client.get(path) as plain:
        assert packed.headers["Content-Encoding"] == "gzip" and "Content-Encoding" not in plain.headers
        assert len(packed.data) < 600_000 < 1_400_000 < len(plain.data)


def test_a_browser_keeps_a_script_until_it_changes(client: FlaskClient) -> None:
    (address,) = re.findall(r'<script src="(/assets/scripts.js[^"]*)', client.get("/").text)
    with client.get(address) as kept, client.get("/assets/2-app/theme.js") as asked_again:
        assert "immutable" in kept.headers["Cache-Control"]
        assert "immutable" not in asked_again.headers["Cache-Control"]


def test_two_dashboards_in_one_process_do_not_mix(tmp_path: Path, settings: Settings) -> None:
    names = {}
    for name in ("north", "south"):
        database = Database(f"sqlite:///{tmp_path}/{name}.db")
        upgrade(database)
        plant = Plant(database, lambda events: None, meters=(1,) if name == "north" else (1, 1))
        plant.build()
        names[name] = browse(database, settings)
    assert names["north"].get("/_dash-layout").text.count("10.0.0.2") == 0
    assert names["south"].get("/_dash-layout").text.count("10.0.0.2") == 1


def test_every_page_of_the_list_answers_and_an_unknown_one_says_so(client: FlaskClient) -> None:
    for page in PAGES:
        content = str(call_back(client, "shell-page.children", {"shell-location": page.PATH}))
        assert (page.NAME if getattr(page, "ROLES", None) is None else "for administrators") in content
    assert "No such page" in str(call_back(client, "shell-page.children", {"shell-location": "/nowhere"}))


def test_without_a_gateway_the_overview_says_what_to_do(client: FlaskClient) -> None:
    content = str(call_back(client, "shell-page.children", {"shell-location": "/"}))
    assert "No gateway yet" in content and "python app.py gateway add" in content


def test_a_database_that_cannot_be_read_is_said_to_be_so(client: FlaskClient, database: Database) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP VIEW reading_all")
        connection.exec_driver_sql("ALTER TABLE site RENAME TO elsewhere")
    content = call_back(client, "overview-facts.data", {})
    assert "can't be read" in str(content["overview-error"])
    assert "overview-facts" not in content


def test_the_layout_survives_a_database_that_cannot_be_read(client: FlaskClient, database: Database) -> None:
    client.get("/_dash-layout")
    with database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE gateway RENAME TO elsewhere")
    assert client.get("/_dash-layout").status_code == 200


def test_the_plant_is_described_anew_only_after_a_change(client: FlaskClient, database: Database) -> None:
    plant = Plant(database, lambda events: None, meters=(2,))
    plant.build()
    described = call_back(client, "shell-plant.data", {"shell-plant": {"version": -1}})["shell-plant"]["data"]
    assert [gateway["points"] for gateway in described["gateways"]] == [plant.point_ids()]
    assert call_back(client, "shell-plant.data", {"shell-plant": described}) == {}


def test_nothing_is_loaded_for_browsers_that_are_gone_or_for_tables_that_are_not_used(client: FlaskClient) -> None:
    scripts = re.findall(r'<script src="([^"?]*)', client.get("/").text)
    assert [path for path in scripts if "polyfill" in path or "dash_table" in path] == []
    assert any("/react@" in path for path in scripts) and any("dash_renderer" in path for path in scripts)
