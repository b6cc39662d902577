"""The program's own web side, without a poller, and a hatch for the tests; on Werkzeug or in gunicorn's worker."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, render_template_string, request, send_from_directory
from flask_wtf.csrf import generate_csrf
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from app import Monitor, create_app
from models.access import limit_user
from models.api_tokens import create_token
from models.database import Database
from models.gateways import Gateway, Site
from models.schema import upgrade
from models.users import Role, create_user, find_user, make_sign_in_link
from realtime.events import Event
from settings import Settings

PAGES = Path(__file__).parent / "pages"
PACKAGES = Path(__file__).parents[1] / "servers" / "node_modules"
KEY, SECRET, APP_ID = "plant-key", "secret-of-the-plant", "4711"
TRUSTED_ORIGIN = "http://team.example"


def settings_of(folder: Path) -> Settings:
    return Settings.load(
        database_url=f"sqlite:///{folder}/monitor.db",
        data_folder=folder,
        secret_key="k" * 40,
        frame_window_ms=20,
        heartbeat_s=1.0,
        trusted_origins=[TRUSTED_ORIGIN],
        pusher_app_id=APP_ID,
        pusher_app_key=KEY,
        pusher_app_secret=SECRET,
        _env_file=None,
    )


def settle(folder: Path) -> dict[str, str]:
    """A database with gateways 3 and 4 and a cast: ada sees all, vera gateway 3 only; returns a token of each."""
    database = Database(settings_of(folder).database_url)
    upgrade(database)
    now = datetime.now(UTC)
    with database.write() as session:
        site = Site(name="Plant", time_zone="UTC")
        for number in (3, 4):
            host = f"192.0.2.{number}"
            session.add(Gateway(id=number, site=site, name=f"Gateway {number}", host=host, poll_interval_s=5.0))
        create_user(session, "ada", Role.OPERATOR, now)
        limit_user(session, create_user(session, "vera", Role.VIEWER, now), {3})
        tokens = {
            "ada": create_token(session, "program of ada", Role.OPERATOR, now),
            "vera": create_token(session, "program of vera", Role.VIEWER, now, gateway_ids={3}),
        }
    database.close()
    return tokens


def make_application(folder: Path) -> tuple[Monitor, Callable[..., Any]]:
    """The program, not started, and what a server is to serve."""
    monitor = create_app(settings_of(folder), role="web")
    add_pages(monitor.server)
    return monitor, DispatcherMiddleware(monitor.server, {"/hatch": hatch_of(monitor)})


def add_pages(server: Flask) -> None:
    """What another team's own server would serve: its page, and the libraries from npm."""

    @server.get("/team/<page>")
    def team(page: str) -> Response:
        text = render_template_string((PAGES / page).read_text(), csrf_token=generate_csrf(), key=KEY)
        return Response(text, headers={"Content-Security-Policy": "default-src 'self' 'unsafe-eval'; connect-src *"})

    @server.get("/team/scripts/<path:name>")
    def script(name: str) -> Any:
        return send_from_directory(PACKAGES if "/" in name else PAGES, name)


def hatch_of(monitor: Monitor) -> Flask:
    """Where the tests come in: no door of the product."""
    hatch = Flask("hatch")

    @hatch.post("/publish")
    def publish() -> str:
        monitor.broker.publish([Event(name, tuple(channels), data) for name, channels, data in request.get_json()])
        return ""

    @hatch.post("/close/<kind>/<key>/<int:code>")
    def close(kind: str, key: str, code: int) -> str:
        said = {"kind": kind, "key": int(key) if key.isdigit() else key, "code": code}
        monitor.broker.publish([Event("hub.end", (), said)])
        return ""

    @hatch.post("/link/<name>")
    def link(name: str) -> str:
        with monitor.database.write() as session:
            user = find_user(session, name)
            assert user is not None
            return make_sign_in_link(session, user, datetime.now(UTC))

    @hatch.get("/health")
    def health() -> Response:
        facts = monitor.hub.ask(lambda desk: desk.facts())
        return jsonify(monitor.hub.snapshot() | {"subscribed": facts["subscriptions"]})

    return hatch


def packed(events: Iterable[Event]) -> list[Any]:
    """Events as the hatch takes them."""
    return [[event.name, list(event.channels), event.data] for event in events]
