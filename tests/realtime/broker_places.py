"""Real Redis and PostgreSQL servers as the place where events go, nodes that read there, processes to be killed."""

import multiprocessing
import os
import signal
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.connection import Connection
from typing import Any, Protocol

import psycopg

from models.database import Database
from models.outbox import Outbox
from models.schema import upgrade
from realtime.broker import open_broker
from realtime.events import Event
from realtime.shared_broker import POSITIONS, SharedBroker
from tests.models.postgresql import PORT, USER, Cluster
from tests.redis_server import RedisServer

WAIT_S = 30.0
OPTIONS = {"keep_s": 300.0, "capacity": 50_000}

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([__name__])


def number(value: int, channel: str = "gateway.1") -> Event:
    return Event("number", ("readings", channel), {"number": value})


class Node:
    """A process in small: a broker with one subscriber that keeps all it is told."""

    def __init__(self, broker: SharedBroker) -> None:
        self.broker = broker
        self.events: list[Event] = []
        self.states: list[bool] = []
        self._changed = threading.Condition()
        broker.subscribe(self._take, self._note_state)

    def publish(self, *events: Event) -> None:
        self.broker.publish(events)

    def wait_until(self, condition: Callable[["Node"], object]) -> "Node":
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), WAIT_S), self.explain()
        return self

    def wait_for_numbers(self, numbers: Iterable[int]) -> "Node":
        """Until each of these has come with its offsets."""
        wanted = set(numbers)
        return self.wait_until(lambda node: wanted <= set(node.numbers()))

    def explain(self) -> str:
        numbers = self.numbers()
        return f"{len(numbers)} numbers, the last {numbers[-3:]}; {self.states}; {self.broker.health()}"

    def numbered(self) -> list[Event]:
        return [event for event in self.events if event.numbering is not None and event.numbering.epoch]

    def numbers(self) -> list[int]:
        """Those that came with their offsets."""
        return [event.facts["number"] for event in self.numbered() if event.name == "number"]

    def provisional(self) -> list[int]:
        """Those that were told without offsets."""
        return [
            event.facts["number"]
            for event in self.events
            if event.name == "number" and event.numbering is not None and not event.numbering.epoch
        ]

    def epochs(self) -> list[str]:
        """The epochs that were told of, each once."""
        return list(dict.fromkeys(event.facts["epoch"] for event in self.events if event.name == POSITIONS))

    def names(self) -> list[str]:
        return [event.name for event in self.events if event.name != POSITIONS]

    def _take(self, events: Sequence[Event]) -> None:
        with self._changed:
            self.events.extend(events)
            self._changed.notify_all()

    def _note_state(self, is_up: bool, reason: str) -> None:
        with self._changed:
            self.states.append(is_up)
            self._changed.notify_all()


def offsets_of(events: Iterable[Event]) -> dict[str, list[int]]:
    """The offsets that came, by channel."""
    offsets: defaultdict[str, list[int]] = defaultdict(list)
    for event in events:
        assert event.numbering is not None
        for channel, offset in zip(event.channels, event.numbering.offsets, strict=True):
            offsets[channel].append(offset)
    return offsets


def are_without_holes(events: Sequence[Event]) -> bool:
    """Whether every channel was counted one by one, and no event came twice."""
    serials = [event.numbering.serial for event in events if event.numbering is not None]
    counted = offsets_of(events).values()
    return len(serials) == len(set(serials)) and all(
        offsets == list(range(offsets[0], offsets[0] + len(offsets))) for offsets in counted
    )


class Place(Protocol):
    """Where events go: a server that can be killed, and started again with all that it had taken."""

    def open(self, **options: Any) -> SharedBroker: ...
    def kill(self) -> None: ...
    def start(self) -> None: ...
    def close(self) -> None: ...
    def address(self) -> str:
        """Whatever `open_at` needs, for another process."""
        ...


class RedisPlace:
    """keeps: whether a kill leaves what was written."""

    def __init__(self, *, keeps: bool = True) -> None:
        self.server = RedisServer(keeps=keeps)
        self.kill, self.start, self.close = self.server.kill, self.server.start, self.server.close

    def open(self, **options: Any) -> SharedBroker:
        return open_at(self.server.url, **options)

    def address(self) -> str:
        return self.server.url


class PostgresqlPlace:
    """A cluster whose commits survive a kill of its processes."""

    def __init__(self) -> None:
        self.cluster = DurableCluster()
        self.url = self.cluster.url(self.cluster.make())
        self.database = Database(self.url)
        upgrade(self.database)
        self.kill, self.start = self.cluster.kill, self.cluster.start

    def open(self, **options: Any) -> SharedBroker:
        return _open("postgresql://", Outbox(self.database), options)

    def address(self) -> str:
        return self.url

    def close(self) -> None:
        self.database.close()
        self.cluster.close()


class DurableCluster(Cluster):
    """A PostgreSQL that can be killed."""

    def make(self) -> str:
        name = super().make()
        self._execute(f"ALTER DATABASE {name} SET synchronous_commit = on")
        return name

    def kill(self) -> None:
        """As `kill -9` of all of its processes at once does."""
        ask = ["ps", "--ppid", str(self._server.pid), "-o", "pid="]
        children = subprocess.run(ask, capture_output=True, text=True, check=False)
        for process_id in (self._server.pid, *map(int, children.stdout.split())):
            try:
                os.kill(process_id, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._server.wait()

    def start(self) -> None:
        """Start it again unless it runs; it answers when this returns."""
        if self._server.poll() is None:
            return
        self._server = subprocess.Popen(self._server.args, stdout=self._log, stderr=self._log)
        self._wait()


def open_at(address: str, **options: Any) -> SharedBroker:
    """A broker at the address of a place, for a process that lives no longer than it."""
    is_outbox = address.startswith("postgresql")
    return _open(address, Outbox(Database(address)) if is_outbox else None, options)


def _open(url: str, outbox: Outbox | None, options: dict[str, Any]) -> SharedBroker:
    broker = open_broker(url, outbox=outbox, **{**OPTIONS, **options})
    assert isinstance(broker, SharedBroker)
    return broker


def publish_until_killed(address: str, first: int, count: int, told: Connection) -> None:
    """In a process of its own: publish numbers one by one, tell each before it is, and wait for the end."""
    broker = open_at(address)
    for value in range(first, first + count):
        told.send(value)
        broker.publish([number(value)])
        time.sleep(0.0005)
    while broker.health()["queued"]:
        time.sleep(0.005)
    told.send(None)
    time.sleep(60)


def read_until_killed(address: str, told: Connection) -> None:
    """In a process of its own: tell the offset of each number in its channel as it comes."""

    def tell(events: Sequence[Event]) -> None:
        for event in events:
            if event.name == "number" and event.numbering is not None:
                told.send((event.numbering.epoch, event.numbering.offsets[0], event.facts["number"]))

    open_at(address).subscribe(tell)
    time.sleep(60)


def terminate_connections(cluster: Cluster, database: str) -> None:
    """Cut every connection to a database, as an administrator does."""
    where = f"host={cluster._folder} port={PORT} user={USER} dbname=postgres"
    with psycopg.connect(where, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database])
