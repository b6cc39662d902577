"""Settings: loud about what is wrong, and documented by one generated file."""

from pathlib import Path

import pytest

from settings import BadSettings, Settings, env_example

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_env_example_is_what_the_settings_say() -> None:
    assert (ROOT / ".env.example").read_text() == env_example()


def test_a_setting_comes_from_the_environment_then_from_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("MONITOR_WEB_PORT=9001\nMONITOR_POLL_INTERVAL_S=7\n")
    monkeypatch.setenv("MONITOR_WEB_PORT", "9002")
    settings = Settings.load()
    assert (settings.web_port, settings.poll_interval_s) == (9002, 7.0)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("MONITOR_WEB_PROT=1", "did you mean MONITOR_WEB_PORT?"),
        ("WEB_PORT=1", "did you mean MONITOR_WEB_PORT?"),
        ("FLUX=1", "see .env.example"),
        ("MONITOR_WEB_PORT=99999", "MONITOR_WEB_PORT: Input should be less than or equal to 65535"),
        ("MONITOR_SITE_TIME_ZONE=Berlin", "MONITOR_SITE_TIME_ZONE: 'Berlin' is no IANA time zone"),
        ("MONITOR_DATABASE_URL=mysql://x", "MONITOR_DATABASE_URL: mysql:// is not supported"),
        ("MONITOR_SECRET_KEY=short", "MONITOR_SECRET_KEY: must have 32 characters"),
        ("MONITOR_TRUSTED_ORIGINS=x", "lists are written as JSON"),
    ],
)
def test_a_wrong_line_is_refused_by_name(line: str, complaint: str) -> None:
    Path(".env").write_text(line + "\n")
    with pytest.raises(BadSettings) as refusal:
        Settings.load()
    assert complaint in str(refusal.value)
    assert "short" not in str(refusal.value)


def test_an_unknown_name_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITOR_POL_INTERVAL_S", "3")
    with pytest.raises(BadSettings, match="did you mean MONITOR_POLL_INTERVAL_S"):
        Settings.load()


def test_the_secret_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    first = Settings.load(data_folder=tmp_path / "new").session_key()
    assert Settings.load(data_folder=tmp_path / "new").session_key() == first
    assert (tmp_path / "new" / "secret_key").stat().st_mode & 0o777 == 0o600
    assert len(first) >= 32


def test_a_child_process_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = Settings.load(data_folder=tmp_path, trusted_origins=["https://plant.example"], poll_interval_s=2.5)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    child = Settings.load()
    assert child.model_dump(exclude={"secret_key"}) == settings.model_dump(exclude={"secret_key"})
    assert child.session_key() == settings.session_key()
