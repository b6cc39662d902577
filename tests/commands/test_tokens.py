"""`token ...` and `user limit`: programs that sign in, and who sees which gateways."""

from datetime import UTC, datetime

from sqlalchemy import select

from models.access import sight_of
from models.api_tokens import sight_of_token, token_in_force
from models.database import Database
from models.users import User
from settings import Settings
from tests.commands.conftest import Command


def database() -> Database:
    return Database(Settings.load().database_url)


def test_a_token_is_printed_alone_on_the_last_line(north: Command) -> None:
    made = north("token", "create", "grafana", "--role", "viewer")
    assert made.exit_code == 0
    token = made.output.rstrip("\n").split("\n")[-1]
    with database().read() as session:
        row = token_in_force(session, token, datetime.now(UTC))
        assert row is not None and row.role == "viewer" and sight_of_token(session, row) is None


def test_a_token_may_be_limited_to_gateways(north: Command) -> None:
    made = north("token", "create", "tenant", "--role", "viewer", "--gateway", "North", "--days", "30")
    with database().read() as session:
        row = token_in_force(session, made.output.split()[-1], datetime.now(UTC))
        assert row is not None and sight_of_token(session, row) == frozenset({1}) and row.expires_at is not None
    assert "tenant: viewer, some gateways only, never used, ends " in north("token", "list").output


def test_tokens_are_listed_and_revoked(north: Command) -> None:
    assert "No token yet" in north("token", "list").output
    token = north("token", "create", "grafana", "--role", "operator").output.split()[-1]
    listed = north("token", "list").output
    assert "grafana: operator, never used" in listed and token not in listed
    assert "is revoked" in north("token", "revoke", "grafana").output
    assert "No token yet" in north("token", "list").output


def test_a_mistake_is_one_line_and_exit_code_2(north: Command) -> None:
    for words, said in (
        (("create", "x", "--role", "king"), "'king' is not one of"),
        (("create", "x", "--role", "viewer", "--gateway", "Nowhere"), "Nowhere"),
        (("revoke", "x"), "there is no token 'x'"),
    ):
        result = north("token", *words)
        assert result.exit_code == 2 and said in result.output, words


def test_a_user_is_limited_to_gateways_and_let_go_again(north: Command) -> None:
    north("user", "create", "vera", "--role", "viewer", given="a long password\n")
    assert "vera sees North from now on" in north("user", "limit", "vera", "--gateway", "North").output
    assert sight() == frozenset({1})
    assert "vera sees all gateways" in north("user", "limit", "vera", "--all").output
    assert sight() is None


def test_a_limit_must_be_said(north: Command) -> None:
    for words in ((), ("--all", "--gateway", "North")):
        result = north("user", "limit", "vera", *words)
        assert result.exit_code == 2 and "name the gateways" in result.output


def sight() -> frozenset[int] | None:
    with database().read() as session:
        return sight_of(session, session.scalars(select(User).where(User.name == "vera")).one())


def test_the_credentials_of_the_pusher_protocol_are_printed_as_its_clients_name_them(command: Command) -> None:
    lines = dict(line.split("=", 1) for line in command("settings", "--pusher").output.split())
    app = Settings.load().pusher_app()
    assert (lines["PUSHER_APP_ID"], lines["PUSHER_APP_KEY"], lines["PUSHER_APP_SECRET"]) == app
    assert (lines["PUSHER_HOST"], lines["PUSHER_PORT"], lines["PUSHER_SCHEME"]) == ("127.0.0.1", "8050", "http")


def test_what_to_print_must_be_said(command: Command) -> None:
    for words in ((), ("--example", "--pusher")):
        result = command("settings", *words)
        assert result.exit_code == 2 and "say --example or --pusher" in result.output
