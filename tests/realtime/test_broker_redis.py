"""Redis as it is in the field: emptied, rolled back, hung, guarded by a password or TLS, and trimmed too early."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from realtime.broker import UnknownBroker, open_broker
from realtime.events import Event
from realtime.redis_broker import RedisLog, shown
from realtime.shared_broker import SharedBroker
from tests.realtime.broker_places import Node, are_without_holes, number, open_at
from tests.realtime.station import wait_for
from tests.redis_server import RedisServer

Start = Callable[..., RedisServer]
Join = Callable[[str], Node]


@pytest.fixture
def start() -> Iterator[Start]:
    servers: list[RedisServer] = []

    def start(**options: object) -> RedisServer:
        servers.append(RedisServer(**options))  # type: ignore[arg-type]
        return servers[-1]

    yield start
    for server in servers:
        server.go_on()
        server.close()


@pytest.fixture
def join() -> Iterator[Join]:
    nodes: list[Node] = []

    def join(url: str) -> Node:
        nodes.append(Node(open_at(url)))
        return nodes[-1].wait_until(lambda node: node.events)

    yield join
    for node in nodes:
        node.broker.close()


def after(node: Node, epoch: str) -> list[int]:
    """The numbers that came under an epoch."""
    numbered = [event for event in node.numbered() if event.numbering is not None and event.numbering.epoch == epoch]
    assert are_without_holes(numbered)
    return [event.facts["number"] for event in numbered]


def test_a_server_that_forgets_all_when_it_is_killed_lets_everybody_begin_anew(start: Start, join: Join) -> None:
    server = start()
    here, there = join(server.url), join(server.socket_url)
    here.publish(*map(number, range(100)))
    for node in (here, there):
        node.wait_for_numbers(range(100))
    server.kill()
    here.wait_until(lambda node: node.states == [False])
    here.publish(number(100))
    server.start()
    here.publish(number(101))
    there.publish(number(102))
    for node in (here, there):
        node.wait_for_numbers([101, 102]).wait_until(lambda node: len(node.epochs()) == 2)
        assert after(node, node.epochs()[0]) == list(range(100))
        assert sorted(after(node, node.epochs()[1])) == [100, 101, 102]
    assert here.epochs() == there.epochs()


def test_what_others_told_a_server_that_had_forgotten_all_is_not_forgotten_again(start: Start, join: Join) -> None:
    """A node that has read the new epoch and not yet written under it must not take it for the one it wrote under."""
    server = start()
    here, there = join(server.url), join(server.url)
    for value in range(3):  # drafts of their own
        here.publish(number(value))
        there.wait_for_numbers(range(value + 1))
    server.kill()
    for node in (here, there):
        node.wait_until(lambda node: node.states == [False])
    server.start()
    for node in (here, there):
        node.wait_until(lambda node: node.states == [False, True] and len(node.epochs()) == 2)
    there.publish(number(100))
    here.wait_for_numbers([100]).publish(number(101))
    for node in (here, there):
        node.wait_for_numbers([101])
        assert len(node.epochs()) == 2 and after(node, node.epochs()[1]) == [100, 101]


def test_a_node_that_was_silent_for_a_day_is_still_known(start: Start, join: Join) -> None:
    server = start()
    here = join(server.url)
    for value in range(3):
        here.publish(number(value))
        here.wait_for_numbers(range(value + 1))
    with server.client() as client:
        mark = next(iter(client.scan_iter("{monitor}:node:*")))
        client.expire(mark, 60)
        wait_for(lambda: client.ttl(mark) > 3600, 30)


def test_a_server_that_is_emptied_while_it_runs_lets_everybody_begin_anew(start: Start, join: Join) -> None:
    server = start()
    here, there = join(server.url), join(server.socket_url)
    here.publish(*map(number, range(50)))
    here.wait_for_numbers(range(50))
    with server.client() as client:
        client.flushall()
    for value in range(50, 150):  # so many that the stream soon is longer than it was
        here.publish(number(value))
    for node in (here, there):
        node.wait_for_numbers([149])
        assert len(node.epochs()) >= 2
        assert after(node, node.epochs()[-1])[-1] == 149
    assert here.epochs()[-1] == there.epochs()[-1]


@pytest.mark.parametrize("more", [0, 30])
def test_a_server_that_comes_back_older_than_it_was_lets_everybody_begin_anew(
    start: Start, join: Join, more: int
) -> None:
    """Its last snapshot was taken before events that readers have seen; the numbers are given again to other events."""
    server = start(save="3600 100000")
    here, there = join(server.url), join(server.socket_url)
    here.publish(*map(number, range(20)))
    there.wait_for_numbers(range(20))
    with server.client() as client:
        client.save()
    here.publish(*map(number, range(20, 40)))
    for node in (here, there):
        node.wait_for_numbers(range(40))
    wait_for(lambda: not here.broker.health()["queued"], 30)  # what was not answered would be sent again, and heal it
    server.kill()
    server.start()
    early = Node(open_at(server.url))  # has seen none of it, and is the first to publish
    early.publish(*map(number, range(1000, 1000 + more)))
    here.publish(number(50))
    for node in (here, there):
        node.wait_for_numbers([50])
        assert after(node, node.epochs()[0])[:40] == list(range(40))
        assert len(node.epochs()) >= 2 and 50 in after(node, node.epochs()[-1])
    early.wait_until(lambda node: node.epochs()[-1:] == here.epochs()[-1:])
    assert here.epochs()[-1] == there.epochs()[-1]
    early.broker.close()


def test_a_server_that_came_back_older_is_found_out_by_a_publisher_that_reads_nothing(start: Start, join: Join) -> None:
    server = start(save="3600 100000")
    publisher = open_at(server.url)
    publisher.publish([number(1)])
    wait_for(lambda: publisher.health()["is_up"] and not publisher.health()["queued"], 30)
    with server.client() as client:
        client.save()
    publisher.publish([number(2)])  # nobody reads it, and Redis forgets it
    wait_for(lambda: not publisher.health()["queued"], 30)
    server.kill()
    server.start()
    here = join(server.url)
    assert here.numbers() == [1]
    publisher.publish([number(3)])
    here.wait_for_numbers([3])
    assert len(here.epochs()) == 2 and after(here, here.epochs()[1]) == [3]
    publisher.close()


def test_a_server_that_says_nothing_is_away_and_what_it_did_take_is_not_doubled(start: Start, join: Join) -> None:
    """A command that was not answered in time is carried out all the same when the server goes on."""
    server = start()
    here, there = join(server.url), join(server.socket_url)
    here.publish(number(0))
    there.wait_for_numbers([0])
    server.stop_answering()
    slowest_s = 0.0
    for value in range(1, 200):
        started_at = time.perf_counter()
        here.publish(number(value))
        slowest_s = max(slowest_s, time.perf_counter() - started_at)
    here.wait_until(lambda node: node.states == [False] and node.provisional() == list(range(1, 200)))
    server.go_on()
    for node in (here, there):
        node.wait_for_numbers(range(200)).wait_until(lambda node: node.states[-1:] != [False])
        assert node.numbers() == list(range(200)) and are_without_holes(node.numbered())
    assert slowest_s < 0.5


def test_a_reader_that_is_left_behind_is_told_that_events_are_lost(start: Start, join: Join) -> None:
    server = start()
    never = threading.Event()
    broker = SharedBroker(RedisLog(server.url, kept_events=200), keep_s=300.0, capacity=100)
    names: list[str] = []

    def take(events: Sequence[Event]) -> None:
        never.wait(20)
        names.extend(event.name for event in events)

    broker.subscribe(take)
    publisher = SharedBroker(RedisLog(server.url, kept_events=200), keep_s=300.0, capacity=50_000)
    for begin in range(0, 3000, 10):
        publisher.publish([number(value) for value in range(begin, begin + 10)])
        wait_for(lambda: publisher.health()["queued"] == 0, 30)
    never.set()
    wait_for(lambda: "events.lost" in names, 30)
    with server.client() as client:
        assert client.xlen("{monitor}:events") < 500
    publisher.close()
    broker.close()


def test_the_password_is_used_and_never_shown(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    server = start(requirepass="open-sesame")
    right, wrong = (f"redis://:{word}@127.0.0.1:{server.port}/0" for word in ("open-sesame", "let-me-in"))
    node, locked_out = Node(open_at(right)), Node(open_at(wrong))
    node.publish(number(1))
    node.wait_for_numbers([1])
    locked_out.publish(number(2))
    locked_out.wait_until(lambda node: node.provisional() == [2])
    health = locked_out.broker.health()
    assert not health["is_up"] and "password" in health["reason"]
    for text in (caplog.text, str(health), str(node.broker.health())):
        assert "open-sesame" not in text and "let-me-in" not in text
    node.broker.close()
    locked_out.broker.close()


def test_a_server_behind_tls_is_reached(start: Start, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = (
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout {key} -out {certificate}"
    )
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command.split(), *name], check=True, capture_output=True)
    server = start(port="0", tls_cert_file=str(certificate), tls_key_file=str(key), tls_auth_clients="no", tls=True)
    node = Node(open_at(f"rediss://127.0.0.1:{server.port}/0?ssl_ca_certs={certificate}"))
    node.publish(number(1))
    node.wait_for_numbers([1])
    node.broker.close()
    stranger = Node(open_at(f"rediss://127.0.0.1:{server.port}/0"))
    stranger.wait_until(lambda node: node.states == [False])
    assert "certificate verify failed" in stranger.broker.health()["reason"]
    stranger.broker.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://:secret@host:port/0", "redis://host:port/0 is no address of Redis"),
        ("carrier-pigeon://:secret@coop", "no broker for carrier-pigeon://; use memory://"),
        ("postgresql://me:secret@host/plant", "no broker for postgresql://; use memory://"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused_without_its_password(url: str, said: str) -> None:
    with pytest.raises(UnknownBroker, match=said) as refused:
        open_broker(url)
    assert "secret" not in str(refused.value)


def test_an_address_is_shown_without_its_secrets() -> None:
    assert shown("rediss://me:secret@redis.example:6380/2?ssl_ca_certs=/a") == "rediss://redis.example:6380/2"
    assert shown("unix://:secret@/run/redis/socket?db=1") == "unix:///run/redis/socket"
