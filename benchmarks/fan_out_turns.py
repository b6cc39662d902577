"""One contender's turn in the fan-out benchmark: clients come, events are sent, CPU, memory and ages are taken."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from benchmarks.polling_workers import Figures, Worker, cores, running

PATH = "/ws?channels=readings"
SILENCE_S = 3.0  # so long nothing came: what is missing was lost
WARM_UP_EVENTS, PER_S_WARMING_UP = 10, 20.0
FIRST_CLIENTS = 50  # what a server makes once is there after them
JOINING_LOOK_S = 0.01
QUIET_S, QUIET_CPU_S = 0.5, 0.005  # so much CPU at most in that time

GUNICORN = "ours on gunicorn"
GUNICORN_WINDOW = "ours on gunicorn, window 100 ms"
WERKZEUG = "ours on Werkzeug"
WEBSOCKETS = "websockets, broadcast()"
NODE_WS = "node ws"
CONTENDERS: Mapping[str, tuple[object, ...]] = {
    GUNICORN: ("fan_out_servers.py", "gunicorn"),
    GUNICORN_WINDOW: ("fan_out_servers.py", "gunicorn", "--window-ms", 100),
    WERKZEUG: ("fan_out_servers.py", "werkzeug"),
    WEBSOCKETS: ("fan_out_servers.py", "websockets"),
    NODE_WS: ("fan_out_ws.js",),
}


class EventsMissing(Exception):
    """Some clients were not told everything."""


@dataclass(frozen=True)
class Contender:
    """A server under measurement."""

    name: str
    worker: Worker

    @property
    def port(self) -> int:
        return int(self.worker.ready["port"])

    @property
    def processes(self) -> list[psutil.Process]:
        return [psutil.Process(pid) for pid in self.worker.ready["pids"]]

    def cpu_s(self) -> float:
        """Of all its processes, to the nanosecond: what psutil reads counts in hundredths of a second."""
        return sum(time.clock_gettime(_cpu_clock(pid)) for pid in self.worker.ready["pids"])

    def memory_kb(self) -> float:
        """What is its alone, in all its processes."""
        return float(sum(process.memory_full_info().uss for process in self.processes)) / 1000


def _cpu_clock(pid: int) -> int:
    """The CPU clock of another process, as Linux numbers it (clock_getcpuclockid(3))."""
    return (~pid << 3) | 2


@contextmanager
def serving(name: str, *more: object) -> Iterator[Contender]:
    """A contender's server, on the first core."""
    script, *words = CONTENDERS[name]
    core = () if str(script).endswith(".js") else ("--core", cores()[0])
    with running(str(script), *words, *core, *more) as worker:
        contender = Contender(name, worker)
        for process in contender.processes:
            process.cpu_affinity([cores()[0]])
        yield contender


@contextmanager
def loading() -> Iterator[Worker]:
    """The load, on the last core."""
    with running("fan_out_load.py", "--core", cores()[1]) as worker:
        yield worker


def turn(contender: Contender, load: Worker, clients: int, events: int, per_s: float, stalled: int = 0) -> Figures:
    """Connect clients, send them events, hang up. per_s: 0 for as fast as it goes.

    Raises EventsMissing unless every client that reads has got every event.
    """
    load.ask(open=clients, port=contender.port, path=PATH, stalled=stalled)
    _send(contender, load, clients, WARM_UP_EVENTS, PER_S_WARMING_UP)
    before_kb, before_s = contender.memory_kb(), contender.cpu_s()
    heard = _send(contender, load, clients, events, per_s)
    spent_s, grown_kb = contender.cpu_s() - before_s, contender.memory_kb() - before_kb
    state = contender.worker.ask(state=True)
    load.ask(close=True)
    if heard["events"] != clients * events:
        raise EventsMissing(f"{contender.name}: {heard['events']} of {clients * events} came; {state}")
    return {
        "grown_kb": grown_kb,
        "us_per_delivery": 1e6 * spent_s / heard["events"],
        "deliveries_per_s": heard["events"] / heard["took_s"],
        "events_per_read": heard["events"] / heard["reads"],
        "p50_ms": heard["p50_ms"],
        "p99_ms": heard["p99_ms"],
        "threads": state["threads"],
        "state": state,
    }


def memory(contender: Contender, load: Worker, clients: int, per_s: float) -> Figures:
    """What each of so many clients takes once it has been told something, and the threads that serve them all."""
    load.ask(open=FIRST_CLIENTS, port=contender.port, path=PATH)
    _send(contender, load, FIRST_CLIENTS, WARM_UP_EVENTS, per_s)
    load.ask(close=True)
    _wait_for_quiet(contender)
    before_kb = contender.memory_kb()
    load.ask(open=clients, port=contender.port, path=PATH)
    _send(contender, load, clients, WARM_UP_EVENTS, per_s)
    grown_kb = contender.memory_kb() - before_kb
    threads = contender.worker.ask(state=True)["threads"]
    load.ask(close=True)
    return {"kb_per_client": grown_kb / clients, "threads": threads}


def restart(name: str, load: Worker, clients: int) -> Figures:
    """How long all clients take to come back: they try without a pause, and most are in the new server's queue."""
    with serving(name) as before:
        load.ask(open=clients, port=before.port, path=PATH)
    ended_at = time.monotonic()
    load.ask(close=True)
    with serving(name, "--port", before.port) as after:
        opened = load.ask(open=clients, port=after.port, path=PATH)
        _wait_until_joined(after, clients)
        since_end_s = time.monotonic() - ended_at
        heard = _send(after, load, clients, 1, PER_S_WARMING_UP)
        load.ask(close=True)
    if heard["events"] != clients:
        raise EventsMissing(f"{name}: {heard['events']} of {clients} came after the restart")
    return {"back_s": opened["open_s"], "since_end_s": since_end_s}


def _wait_until_joined(contender: Contender, clients: int) -> None:
    """Until the hub has them all: the answer to a handshake goes out before that."""
    while contender.worker.ask(state=True).get("connections", clients) < clients:
        time.sleep(JOINING_LOOK_S)


def _wait_for_quiet(contender: Contender) -> None:
    """Until the server has noticed that its clients are gone: it works no more."""
    before_s = -1.0
    while contender.cpu_s() - before_s > QUIET_CPU_S:
        before_s = contender.cpu_s()
        time.sleep(QUIET_S)


def _send(contender: Contender, load: Worker, clients: int, events: int, per_s: float) -> Figures:
    load.tell(listen=clients * events, wait_s=SILENCE_S)
    contender.worker.ask(publish=events, per_s=per_s)
    return load.hear()
