"""Two web processes and a poller behind the real nginx with `deploy/nginx.conf`: TLS, sockets, and a node that dies."""

import json
import re
import ssl
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from websockets.sync.client import connect
from werkzeug.serving import make_ssl_devcert

from commands.websocket_test.findings import Broken
from commands.websocket_test.pusher_door import EVENT, check_auth, check_subscribe, publish
from commands.websocket_test.pusher_socket import PusherSocket
from commands.websocket_test.target import Target
from realtime.broker import open_broker
from realtime.limits import Limits
from settings import PusherApp
from tests.deploy.nginx import SITE, Nginx, deployed_site
from tests.program import Program
from tests.realtime.page import Closed, Page, Refused
from tests.realtime.station import reading, wait_for
from tests.redis_server import RedisServer, free_port

APP = PusherApp("7", "key-of-the-plant", "secret-of-the-plant")
WAIT_S = 20.0
PAGES = 12
EVENTS = 150  # fewer than a ring holds


class PollerProgram(Program):
    """`--role poller`: it has no port to ask, so its log says when it polls."""

    def readiness(self) -> int | None:
        return 200 if "poller: polling" in self.log() else None


@dataclass
class Plant:
    """What runs: Redis, a poller, two web processes, nginx. tokens: by role."""

    redis: RedisServer
    poller: PollerProgram
    nodes: list[Program]
    nginx: Nginx
    ports: dict[int, int]
    tls: ssl.SSLContext
    certificate: str
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"https://localhost:{self.ports[443]}"

    def page(self, query: str = "channels=readings", **headers: str) -> Page:
        """A page through nginx."""
        signed_in = {"Authorization": f"Bearer {self.tokens['viewer']}"} | headers
        return Page(("127.0.0.1", self.ports[443]), query, user=None, headers=signed_in, tls=self.tls)

    @property
    def target(self) -> Target:
        """The site as a server with the app's secret sees it, and a viewer's client."""
        return Target("https", "localhost", self.ports[443], APP, self.tokens["viewer"], tls=self.tls)

    def caller(self) -> PusherSocket:
        """A client of the Pusher protocol, through nginx; a machine under load may want it to try again."""
        try:
            return PusherSocket.open(self.target)
        except Broken:
            return PusherSocket.open(self.target)

    def ask(self, path: str, role: str = "admin", **given: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.tokens[role]}"} | given.pop("headers", {})
        method = given.pop("method", "GET")
        return requests.request(
            method, self.address + path, headers=headers, verify=self.certificate, timeout=WAIT_S, **given
        )

    def health(self, node: Program) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.tokens['admin']}"}
        answer = requests.get(f"{node.address}/api/health", headers=headers, timeout=WAIT_S)
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("plant")
    redis = RedisServer()
    poller = PollerProgram(folder)
    nodes = [Program(folder_of(folder, name)) for name in ("one", "two")]
    share([poller, *nodes], folder, redis)
    certificate, key = make_ssl_devcert(str(folder / "plant"), host="localhost")
    ports = {80: free_port(), 443: free_port()}
    site = deployed_site(ports=ports, web_ports=(nodes[0].port, nodes[1].port), certificate=(certificate, key))
    tls = ssl.create_default_context(cafile=certificate)
    tls.check_hostname = False
    nginx = Nginx(folder / "nginx", site)
    plant = Plant(redis, poller, nodes, nginx, ports, tls, certificate)
    try:
        with ThreadPoolExecutor() as pool:  # all at once, as when the machine starts
            started = [pool.submit(poller.start, "--role", "poller")]
            started += [pool.submit(node.start, "--role", "web") for node in nodes]
        for each in started:
            each.result()
        for role in ("admin", "viewer"):
            plant.tokens[role] = poller.run("token", "create", role, "--role", role).stdout.split()[-1]
        yield plant
    finally:
        for program in (*nodes, poller):
            if program.process is not None and program.process.poll() is None:
                program.stop()
        nginx.stop()
        redis.close()


def folder_of(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


def share(programs: Iterable[Program], folder: Path, redis: RedisServer) -> None:
    """One database, one broker, one app for all of them."""
    ours = {
        "MONITOR_DATA_FOLDER": str(folder),
        "MONITOR_DATABASE_URL": f"sqlite:///{folder}/monitor.db",
        "MONITOR_BROKER_URL": redis.url,
        "MONITOR_TRUSTED_PROXIES": '["127.0.0.1"]',
        "PUSHER_APP_ID": APP.id,
        "PUSHER_APP_KEY": APP.key,
        "PUSHER_APP_SECRET": APP.secret,
    }
    for program in programs:
        program.port = free_port()
        program.environment |= ours | {"MONITOR_WEB_PORT": str(program.port)}


def test_plain_http_is_sent_to_https(plant: Plant) -> None:
    answer = requests.get(f"http://127.0.0.1:{plant.ports[80]}/readyz?a=1", allow_redirects=False, timeout=WAIT_S)
    assert (answer.status_code, answer.headers["Location"]) == (301, "https://127.0.0.1/readyz?a=1")


def test_pages_are_served_over_tls(plant: Plant) -> None:
    answer = plant.ask("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
    assert "max-age" in answer.headers["Strict-Transport-Security"]
    assert plant.ask("/live/snapshot", "viewer").json()["gateways"] == []


def test_every_node_hears_of_the_other(plant: Plant) -> None:
    wait_for(lambda: all(re.search(r"node \w+: heard of", node.log()) for node in plant.nodes), WAIT_S)


def test_a_published_event_reaches_pages_on_both_nodes(plant: Plant) -> None:
    broker = open_broker(plant.redis.url)
    pages = [plant.page() for _ in range(4)]
    try:
        for page in pages:
            page.wait(lambda page: page.frames, WAIT_S)
        assert sorted(plant.health(node)["hub"]["connections"] for node in plant.nodes) == [2, 2], "least_conn"
        broker.publish([reading(7.5)])
        for page in pages:
            page.wait(lambda page: page.readings, WAIT_S)
    finally:
        for page in pages:
            page.vanish()
        broker.close()


def test_what_is_published_over_http_reaches_clients_of_the_protocol_on_both_nodes(plant: Plant) -> None:
    with plant.caller() as one, plant.caller() as other:
        callers = (one, other)
        for caller in callers:
            channel = "private-wall"
            auth = check_auth(plant.target, caller, channel).value
            check_subscribe(caller, channel, auth)
        assert sorted(plant.health(node)["hub"]["connections"] for node in plant.nodes) == [1, 1], "least_conn"
        publish(plant.target, channel, {"number": 1}, datetime.now(UTC))
        assert [caller.expect(EVENT, channel)["data"] for caller in callers] == [{"number": 1}] * 2


def test_websocket_test_finds_the_site_in_good_order(plant: Plant) -> None:
    plant.poller.environment["SSL_CERT_FILE"] = plant.certificate
    done = plant.poller.run("websocket-test", "--json", "--idle-s", "1", "--url", plant.address)
    assert json.loads(done.stdout)["ok"], done.stdout


@pytest.mark.parametrize(
    ("source", "is_direct", "seen"),
    [
        ("127.0.0.5", False, "127.0.0.5"),
        ("127.0.0.6", True, "127.0.0.6"),
        ("127.0.0.1", True, "8.8.8.8"),  # the last one, so that it was not there before
    ],
    ids=["through nginx, which overrules", "straight, and not trusted", "straight, as a trusted proxy"],
)
def test_a_clients_address_is_believed_of_the_proxy_only(plant: Plant, source: str, is_direct: bool, seen: str) -> None:
    headers = {"Authorization": f"Bearer {plant.tokens['viewer']}", "X-Forwarded-For": "8.8.8.8"}
    at = f"ws://127.0.0.1:{plant.nodes[0].port}" if is_direct else plant.address.replace("http", "ws")
    with connect(
        f"{at}/ws?channels=readings",
        ssl=None if is_direct else plant.tls,
        additional_headers=headers,
        source_address=(source, 0),
        proxy=None,
        legacy=True,
    ):
        came = f"socket of user 'viewer' from {seen}: came"
        wait_for(lambda: any(came in node.log() for node in plant.nodes), WAIT_S)


@pytest.mark.parametrize(("scheme", "is_welcome"), [("https", True), ("http", False)])
def test_the_scheme_is_believed_of_the_proxy(plant: Plant, scheme: str, is_welcome: bool) -> None:
    """Behind TLS a page that was loaded in clear text is not ours."""
    origin = f"{scheme}://127.0.0.1:{plant.ports[443]}"  # as in the header Host of these pages
    with nullcontext() if is_welcome else pytest.raises(Refused, match="origin"), plant.page(Origin=origin) as page:
        assert page.hello


def test_sockets_may_be_silent_for_longer_than_the_server_lets_them() -> None:
    sockets = SITE.read_text().partition("location ~ ^/(?:ws$|app/)")[2]
    limits = Limits()
    for name in ("read", "send"):
        found = re.search(rf"proxy_{name}_timeout +(\d+)s;", sockets)
        assert found is not None
        assert int(found[1]) > limits.ping_after_s + limits.pong_within_s > limits.heartbeat_s


class Follower:
    """A page that comes back whenever its socket breaks, and keeps all that it was ever told."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self.page = plant.page()
        self.resumed: list[bool] = []
        self._earlier: list[float] = []

    @property
    def values(self) -> list[float]:
        return [*self._earlier, *(each["scaled_value"] for each in self.page.readings)]

    def read(self) -> None:
        """Take in what is there; come back if the socket is at its end."""
        try:
            self.page.read(0.01)
        except Closed:
            self._earlier, query = self.values, self.page.resume_query()
            self.page.vanish()
            self.page = self._come_back(query)
            self.resumed.append(self.page.hello["recovered"])

    def _come_back(self, query: str) -> Page:
        give_up_at = time.monotonic() + WAIT_S
        while True:
            try:
                return self._plant.page(query)
            except (OSError, Refused):
                assert time.monotonic() < give_up_at
                time.sleep(0.05)


def test_when_a_node_is_killed_its_pages_resume_at_the_other_and_miss_nothing(plant: Plant) -> None:
    broker = open_broker(plant.redis.url)
    followers = [Follower(plant) for _ in range(PAGES)]
    for follower in followers:
        follower.page.wait(lambda page: page.frames, WAIT_S)
    for number in range(1, EVENTS + 1):
        if number == EVENTS // 3:
            kill_at_once(plant.nodes[0])
        broker.publish([reading(number, point=number)])
        for follower in followers:
            follower.read()
    give_up_at = time.monotonic() + WAIT_S
    while (behind := [each for each in followers if len(each.values) < EVENTS]) and time.monotonic() < give_up_at:
        for follower in behind:
            follower.read()
    assert [follower.values for follower in followers] == [[*range(1, EVENTS + 1)]] * PAGES
    assert sum(len(follower.resumed) for follower in followers) == PAGES // 2
    assert all(recovered for follower in followers for recovered in follower.resumed)
    for follower in followers:
        follower.page.vanish()
    broker.close()


def test_when_a_node_is_killed_a_client_of_the_protocol_catches_up_at_the_other(plant: Plant) -> None:
    plant.nodes[0].start("--role", "web")
    broker = open_broker(plant.redis.url)
    with plant.caller() as caller:
        caller.say("pusher:subscribe", {"channel": "readings"})
        position = caller.expect("pusher_internal:subscription_succeeded")["data"]
        broker.publish([reading(1)])
        offset = caller.expect("reading.new")["offset"]
        assert offset == position["offset"] + 1
        kill_at_once(next(node for node in plant.nodes if plant.health(node)["hub"]["connections"]))
        with pytest.raises(Broken, match="closed"):
            caller.expect("reading.new")
    broker.publish([reading(2), reading(3)])
    query = {"channels": "readings", "epoch": position["epoch"], "offsets": str(offset)}
    wait_for(lambda: len(plant.ask("/api/events", "viewer", params=query).json()["events"]) == 2, WAIT_S)
    told = plant.ask("/api/events", "viewer", params=query).json()
    assert told["recovered"] is True
    assert [event["offset"] for event in told["events"]] == [offset + 1, offset + 2]
    broker.close()


def kill_at_once(node: Program) -> None:
    """The master and its worker together, as when the machine loses its power."""
    family = node.family()
    for process in family:
        process.kill()
    assert node.process is not None
    node.process.wait()
    psutil.wait_procs(family, timeout=WAIT_S)
