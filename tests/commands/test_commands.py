"""What all commands have in common, and `user ...`."""

import pytest

from tests.commands.conftest import Command

COMMANDS = """
    backup, gateway add, gateway edit, gateway list, gateway pause, gateway resume, gateway show, move-database,
    point edit, probe, read, restore, scan, settings, simulator, template export, template import, templates,
    token create, token list, token revoke, user create, user limit, user link, user password, verify, websocket-test,
    write"""


@pytest.mark.parametrize("words", [words.strip() for words in COMMANDS.split(",")])
def test_every_command_explains_itself(command: Command, words: str) -> None:
    result = command(*words.split(), "--help")
    assert result.exit_code == 0 and "Usage:" in result.output


def test_a_user_is_made_with_a_password_from_standard_input(command: Command) -> None:
    made = command("user", "create", "ada", "--role", "viewer", given="correct horse battery\n")
    assert (made.exit_code, made.output) == (0, "ada can sign in now.\n")
    again = command("user", "create", "Ada", "--role", "viewer", given="correct horse battery\n")
    assert again.exit_code == 2 and "exists already" in again.output
    short = command("user", "create", "bob", "--role", "viewer", given="short\n")
    assert short.exit_code == 2 and "needs" in short.output
