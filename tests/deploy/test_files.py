"""The files of `deploy/` agree with the program: its settings, its roles, its options."""

import subprocess

import pytest

from commands import roles
from commands.roles import Role
from settings import PREFIX, BadSettings, Settings
from tests.program import ROOT

DEPLOY = ROOT / "deploy"


def environment() -> dict[str, str]:
    """The variables of the file as a shell understands it."""
    names = [line.partition("=")[0] for line in (DEPLOY / "environment").read_text().splitlines() if "=" in line]
    script = "set -a; . ./environment; for name in {}; do printf '%s=%s\\n' $name \"${{!name}}\"; done"
    told = subprocess.run(
        ["bash", "-euc", script.format(" ".join(name for name in names if name.startswith(PREFIX)))],
        cwd=DEPLOY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return dict(line.split("=", 1) for line in told.splitlines())


@pytest.mark.parametrize("role", ["web", "poller"])
def test_the_settings_suit_both_roles_once_the_key_is_filled_in(role: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (environment() | {"MONITOR_SECRET_KEY": "k" * 64}).items():
        monkeypatch.setenv(name, value)
    settings = Settings.load(_env_file=None)
    roles.check(settings, role)
    assert settings.trusted_proxies == ["127.0.0.1", "::1"] and settings.secure_cookies


def test_without_a_key_of_its_own_nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is printed in a file is no secret, and one made by each server signs nobody in at the others."""
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings, match="MONITOR_SECRET_KEY"):
        Settings.load(_env_file=None)


@pytest.mark.parametrize(
    ("unit", "options"),
    [("monitor-web@.service", "--role web --port %i"), ("monitor-poller.service", "--role poller")],
)
def test_the_units_start_the_roles_with_those_settings(unit: str, options: str) -> None:
    lines = (DEPLOY / unit).read_text().splitlines()
    assert f"ExecStart=/opt/monitor/.venv/bin/python app.py {options}" in lines
    assert "EnvironmentFile=/etc/monitor/environment" in lines and "ReadWritePaths=/var/lib/monitor" in lines
