"""While the database is out of reach requests get a sentence, and the log a line and not a trace for each."""

import logging

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from dashboard.auth import register_auth
from dashboard.database_away import LINE_INTERVAL_S, register_database_away
from models.database import Database
from settings import Settings


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def broken_server(database: Database, settings: Settings, clock: Clock) -> Flask:
    """Its tables of users are gone: whoever brings a token can't be known."""
    server = Flask("monitor", static_folder=None, root_path="dashboard")
    register_auth(server, database=database, settings=settings, session_closed=lambda key: None)
    register_database_away(server, clock)
    server.add_url_rule("/live/it", view_func=lambda: "well")
    with database.write() as session:
        session.execute(text("DROP TABLE api_token_gateway"))
        session.execute(text("DROP TABLE api_token"))
    return server


def ask(server: Flask) -> TestResponse:
    return server.test_client().get("/live/it", headers={"Authorization": "Bearer tgm_" + "x" * 43})


def test_a_request_without_a_database_is_answered_503_and_told_once_a_minute(
    database: Database, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    server = broken_server(database, settings, clock)
    with caplog.at_level(logging.WARNING):
        answers = [ask(server) for _ in range(20)]
        clock.now_s = LINE_INTERVAL_S
        ask(server)
    assert {answer.status_code for answer in answers} == {503}
    assert answers[0].json == {"error": "The database is out of reach. Please try again in a moment."}
    assert answers[0].headers["Retry-After"] == "5"
    lines = [record.getMessage() for record in caplog.records]
    assert [line.partition(" (")[0] for line in lines] == [
        "database: requests that were not answered: 1",
        "database: requests that were not answered: 20",
    ]
    assert "\n" not in "".join(lines)
