"""`websocket-test` against the real program, behind the real nginx: each broken set-up is found and named."""

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from werkzeug.serving import make_ssl_devcert

from commands.websocket_test import websocket_test
from commands.websocket_test.command import outside_of
from commands.websocket_test.examination import examine_outside
from commands.websocket_test.findings import Findings, Verdict
from settings import PusherApp, Settings
from tests.deploy.nginx import HOST, UPGRADE, Nginx, wrong_site
from tests.program import ROOT, Program
from tests.redis_server import RedisServer, free_port

Told = dict[str, Any]

APP = PusherApp("7", "key-of-the-plant", "secret-of-the-plant")
PIECE = "--idle-s=0.5"
CUTS_AT_S = 10
SITES = {
    "good": HOST + UPGRADE,
    "no upgrade": HOST,
    "no host": UPGRADE,
    "cuts idle": HOST + UPGRADE + f"proxy_read_timeout {CUTS_AT_S}s;",
}


@dataclass
class Site:
    """The program with a broker, nginx before it with a port for each set-up, and a token.

    cut: the test of the proxy that cuts idle sockets; it takes longest, so it is begun first.
    """

    program: Program
    redis: RedisServer
    ports: dict[str, int]
    token: str
    cut: "subprocess.Popen[str] | None" = None

    def address(self, site: str) -> str:
        return f"http://127.0.0.1:{self.ports[site]}"

    def test(self, *options: str) -> Told:
        """What the command says as JSON; its exit code must agree."""
        settings = Settings.load(
            web_port=self.program.port,
            pusher_app_id=APP.id,
            pusher_app_key=APP.key,
            pusher_app_secret=APP.secret,
            _env_file=None,
        )
        done = CliRunner().invoke(websocket_test, ["--json", PIECE, "--token", self.token, *options], obj=settings)
        return told_by(done.stdout, done.exit_code)

    def begin(self, *options: str, before: Sequence[str] = ()) -> "subprocess.Popen[str]":
        """The same as a process of its own; `end_of` waits for it."""
        words = [*before, sys.executable, str(ROOT / "app.py"), "websocket-test", "--json", PIECE]
        return subprocess.Popen(
            [*words, "--token", self.token, *options],
            cwd=self.program.folder,
            env=self.program.environment,
            stdout=subprocess.PIPE,
            text=True,
        )


def end_of(process: "subprocess.Popen[str]") -> Told:
    output, _ = process.communicate(timeout=120)
    return told_by(output, process.returncode)


def told_by(output: str, exit_code: int) -> Told:
    told: Told = json.loads(output)
    assert exit_code == (0 if told["ok"] else 1)
    return told


def broken(told: Told) -> dict[str, str]:
    """What the broken steps measured and advised, by step."""
    return {
        row["step"]: f"{row['measured']} -> {row['advice']}" for row in told["findings"] if row["verdict"] == "fail"
    }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    redis, program = RedisServer(), Program(folder)
    program.environment |= {"MONITOR_BROKER_URL": redis.url, "PUSHER_APP_ID": APP.id, "PUSHER_APP_KEY": APP.key}
    program.environment["PUSHER_APP_SECRET"] = APP.secret
    ports = {name: free_port() for name in SITES}
    text = "".join(wrong_site(ports[name], program.port, directives) for name, directives in SITES.items())
    nginx = Nginx(folder / "nginx", text)
    try:
        program.start()
        made = program.run("token", "create", "tester", "--role", "viewer")
        site = Site(program, redis, ports, made.stdout.split()[-1])
        with site.begin("--url", site.address("cuts idle"), "--idle-s", str(CUTS_AT_S + 5)) as site.cut:
            yield site
            site.cut.kill()  # if nobody waited for it
    finally:
        program.stop()
        nginx.stop()
        redis.close()


def test_a_site_in_good_order_passes_every_step(site: Site) -> None:
    told = site.test("--url", site.address("good"))
    assert broken(told) == {}
    assert [row["step"] for row in told["findings"]] == [
        "port",
        "tls",
        "server",
        "clock",
        "ready",
        "user",
        "driver",
        "broker",
        "page socket",
        "handshake",
        "auth",
        "subscribe",
        "publish",
        "ping",
        "idle",
        "fallback",
    ]


def test_for_people_there_is_a_table_and_the_borrowed_token_is_gone_afterwards(site: Site) -> None:
    done = site.program.run("websocket-test", PIECE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "  ok    publish      5 of 5 arrived" in done.stdout and "All is well." in done.stdout
    with sqlite3.connect(site.program.folder / "monitor.db") as connection:
        assert connection.execute("SELECT name FROM api_token").fetchall() == [("tester",)]


def test_a_wrong_key_is_found(site: Site) -> None:
    found = broken(site.test("--key", "nobodys-key"))
    assert [*found] == ["handshake"]
    assert "4001" in found["handshake"] and "PUSHER_APP_KEY" in found["handshake"]


def test_a_wrong_secret_is_found(site: Site) -> None:
    found = broken(site.test("--secret", "nobodys-secret"))
    assert [*found] == ["auth"]
    assert "another secret" in found["auth"] and "PUSHER_APP_SECRET" in found["auth"]


def test_a_refused_origin_is_found_on_a_page_elsewhere(site: Site) -> None:
    found = broken(site.test("--origin", "https://wall.example"))
    assert [*found] == ["page socket", "handshake"]
    assert all("https://wall.example" in text and "MONITOR_TRUSTED_ORIGINS" in text for text in found.values())


def test_a_proxy_that_hides_the_host_is_found_as_a_refused_origin(site: Site) -> None:
    found = broken(site.test("--url", site.address("no host")))
    assert [*found] == ["page socket", "handshake"]
    assert all("proxy_set_header Host $http_host" in text for text in found.values())


def test_a_proxy_without_upgrade_is_found(site: Site) -> None:
    found = broken(site.test("--url", site.address("no upgrade")))
    assert [*found] == ["page socket", "handshake"]
    assert all("426" in text and "proxy_set_header Upgrade $http_upgrade" in text for text in found.values())


def test_a_proxy_that_cuts_idle_sockets_is_found_with_its_time(site: Site) -> None:
    assert site.cut is not None
    found = broken(end_of(site.cut))
    assert [*found] == ["idle"]
    measured = re.search(r"after ([\d.]+) s of silence", found["idle"])
    assert measured is not None and abs(float(measured[1]) - CUTS_AT_S) < 2
    assert "proxy_read_timeout" in found["idle"]


@pytest.mark.parametrize(("shift", "side"), [("+20m", "behind"), ("-20m", "ahead of")])
def test_a_clock_that_is_20_minutes_off_is_found(site: Site, shift: str, side: str) -> None:
    found = broken(end_of(site.begin(before=["faketime", "--exclude-monotonic", "-f", shift])))
    assert [*found] == ["clock", "publish"]
    assert f"s {side} this machine" in found["clock"]
    assert all("NTP" in text for text in found.values())


def test_a_closed_port_is_found(site: Site) -> None:
    found = broken(site.test("--url", f"http://127.0.0.1:{free_port()}"))
    assert [*found] == ["port"]
    assert "nothing listens" in found["port"] and "MONITOR_WEB_PORT" in found["port"]


def test_a_token_that_is_not_valid_is_found(site: Site) -> None:
    found = broken(site.test("--token", "tgm_nobodys"))
    assert [*found] == ["user"]
    assert "token create" in found["user"]


def test_a_proxy_without_a_program_behind_it_is_found(site: Site, tmp_path: Path) -> None:
    port = free_port()
    nginx = Nginx(tmp_path / "nginx", wrong_site(port, free_port(), HOST + UPGRADE))
    try:
        found = broken(site.test("--url", f"http://127.0.0.1:{port}"))
    finally:
        nginx.stop()
    assert [*found] == ["server"]
    assert "502" in found["server"]


def test_a_certificate_that_nobody_trusts_is_found_and_a_trusted_one_is_good(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    certificate, key = make_ssl_devcert(str(tmp_path / "plant"), host="localhost")
    tls = f" ssl; ssl_certificate {certificate}; ssl_certificate_key {key};"
    nginx = Nginx(
        tmp_path / "nginx",
        wrong_site(port, site.program.port, HOST + UPGRADE).replace(f":{port};", f":{port}{tls}", 1),
    )
    try:
        found = broken(site.test("--url", f"https://localhost:{port}"))
        monkeypatch.setenv("SSL_CERT_FILE", certificate)
        trusted = site.test("--url", f"https://localhost:{port}")
    finally:
        nginx.stop()
    assert [*found] == ["tls"]
    assert "not trusted" in found["tls"]
    assert broken(trusted) == {}


@pytest.mark.parametrize(
    ("secret", "found_broken"), [("secret-of-the-plant", []), ("nobodys-secret", ["subscribe", "publish"])]
)
def test_the_server_that_the_driver_pusher_publishes_to_is_tested_by_its_credentials(
    site: Site, secret: str, found_broken: list[str]
) -> None:
    settings = Settings.load(
        broadcast_driver="pusher",
        pusher_app_id=APP.id,
        pusher_app_key=APP.key,
        pusher_app_secret=secret,
        pusher_host="127.0.0.1",
        pusher_port=site.program.port,
        pusher_scheme="http",
        _env_file=None,
    )
    outside, findings = outside_of(settings), Findings(lambda finding: None)
    assert outside is not None
    examine_outside(outside, findings, 0.2, lambda: datetime.now(UTC))
    assert [row.step for row in findings.rows if row.verdict is Verdict.FAIL] == found_broken
    assert findings.rows[-1].step == "idle"


def test_no_address_at_all_is_one_clear_line() -> None:
    done = CliRunner().invoke(websocket_test, ["--url", "plant.example"], obj=Settings.load(_env_file=None))
    assert done.exit_code == 2
    assert "https://plant.example" in done.output


def test_a_broker_that_is_down_is_found(site: Site) -> None:
    """The last one, for Redis stays down."""
    site.redis.kill()
    site.program.until(lambda: "broker" in broken(site.test()), 30)
    found = broken(site.test())
    assert "MONITOR_BROKER_URL" in found["broker"]
