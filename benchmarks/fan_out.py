"""What it costs to tell many: our hub beside the `websockets` library's broadcast() and node's `ws`.

    python benchmarks/fan_out.py [--quick] [--json] [--part steady ...] [--clients 10 100 1000 5000]

The contenders take turns in every round, each a server in a process on one core; a load client on another opens the
sockets and counts the events of 257 bytes that they get. CPU is the server's, from the first publish to the last read;
ages are from the publishing to the client's read; figures are medians, ratios are taken within a round. Parts: steady
(20 events a second), flat-out (without a pause), memory (and threads), stalled (one client in twenty does not read),
restart (how soon all clients are back). `--quick` takes less than a minute: the first two, for a look, and of ours only
the one on gunicorn. `--json` prints one JSON object on the last line.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this is run as a script

from benchmarks.fan_out_events import EVENT_BYTES
from benchmarks.fan_out_turns import (
    CONTENDERS,
    GUNICORN,
    GUNICORN_WINDOW,
    NODE_WS,
    WEBSOCKETS,
    EventsMissing,
    loading,
    memory,
    restart,
    serving,
    turn,
)
from benchmarks.polling_compare import rolled
from benchmarks.polling_workers import Figures, Worker

PER_S = 20.0
STEADY_EVENTS = 100
FLAT_OUT_EVENTS = 2000
FLAT_OUT_CLIENTS = 100
STALLED_CLIENTS, STALLED_EVENTS, STALLED_PER_S = 20, 3000, 1500.0
QUICK_EVENTS, QUICK_FLAT_OUT_EVENTS = 40, 500
QUICK_PARTS = ("steady", "flat-out")
QUICK_CONTENDERS = (GUNICORN, WEBSOCKETS, NODE_WS)
RESTARTED = (GUNICORN, GUNICORN_WINDOW, WEBSOCKETS)
MEASURED = ("us_per_delivery", "p50_ms", "p99_ms", "deliveries_per_s", "grown_kb")


def _summed_up(found: dict[str, list[Figures]], name: str) -> Figures:
    """Medians and quartiles over the rounds; of_websockets: the ratio of CPU within a round."""
    figures: Figures = {"rounds": len(found[name])}
    for measured in MEASURED:
        values = [one[measured] for one in found[name] if one[measured] is not None]
        figures[measured] = _spread(values)
    if WEBSOCKETS in found:
        pairs = zip(found[name], found[WEBSOCKETS], strict=True)
        figures["of_websockets"] = _spread([mine["us_per_delivery"] / its["us_per_delivery"] for mine, its in pairs])
    return figures


def _spread(values: Sequence[float]) -> Figures:
    """Median and quartiles; None when there is no value."""
    if len(values) < 2:
        value = values[0] if values else None
        return {"median": value, "low": value, "high": value}
    low, _, high = quantiles(values, n=4, method="inclusive")
    return {"median": median(values), "low": low, "high": high}


@dataclass(frozen=True)
class Run:
    """What was asked for. is_quick: fewer events, for figures that are good for a look only."""

    load: Worker
    names: Sequence[str]
    rounds: int
    sizes: Sequence[int]
    is_quick: bool


def in_turns(run: Run, clients: int, events: int, per_s: float, stalled: int = 0) -> Figures:
    """Each contender once per round; what each round found, by contender."""
    found: dict[str, list[Figures]] = {name: [] for name in run.names}
    for number in range(run.rounds):
        for name in rolled(list(run.names), number):
            with serving(name) as contender:
                found[name].append(turn(contender, run.load, clients, events, per_s, stalled))
    return {name: _summed_up(found, name) for name in run.names}


def steady(run: Run) -> Figures:
    """Twenty events a second to so many clients."""
    figures = {}
    events = QUICK_EVENTS if run.is_quick else STEADY_EVENTS
    for clients in run.sizes:
        print(f"\n{clients:,} clients, {PER_S:.0f} events/s of {EVENT_BYTES} bytes, {run.rounds} rounds")
        figures[str(clients)] = in_turns(run, clients, events, PER_S)
        print_compared(figures[str(clients)])
    return figures


def flat_out(run: Run) -> Figures:
    """As many as go through: every event to every client, none left out."""
    events = QUICK_FLAT_OUT_EVENTS if run.is_quick else FLAT_OUT_EVENTS
    print(f"\nflat out: {events:,} events to {FLAT_OUT_CLIENTS} clients, {run.rounds} rounds")
    figures = in_turns(run, FLAT_OUT_CLIENTS, events, 0)
    print_compared(figures)
    return figures


def stalled(run: Run) -> Figures:
    """What the nineteen others notice of one that does not read, at a pace that fills its socket soon."""
    figures = {}
    for words, count in (("all of them read", 0), ("one does not read", 1)):
        others = STALLED_CLIENTS - count
        print(f"\n{STALLED_CLIENTS} clients, {words}; {STALLED_PER_S:,.0f} events/s, {run.rounds} rounds")
        figures[words] = in_turns(run, others, STALLED_EVENTS, STALLED_PER_S, stalled=count)
        print_compared(figures[words])
    return figures


def used_memory(run: Run) -> Figures:
    """What a client takes, and how many threads serve them all."""
    clients = max(size for size in run.sizes if size <= 1000)
    print(f"\nmemory of {clients:,} clients that are told {PER_S:.0f} events/s, and threads")
    figures = {}
    for name in run.names:
        with serving(name) as contender:
            figures[name] = memory(contender, run.load, clients, PER_S)
        print(f"  {name:32} {figures[name]['kb_per_client']:7.1f} KB/client {figures[name]['threads']:6} threads")
    return figures


def restarted(run: Run) -> Figures:
    """The server ends and starts anew; how long until every client is back."""
    clients = max(run.sizes)
    print(f"\n{clients:,} clients come back after a restart, {run.rounds} rounds")
    figures = {}
    for name in (name for name in run.names if name in RESTARTED):
        found = [restart(name, run.load, clients) for _ in range(run.rounds)]
        figures[name] = {key: _spread([one[key] for one in found]) for key in found[0]}
        print(
            f"  {name:32} {figures[name]['back_s']['median']:6.2f} s from the first handshake, "
            f"{figures[name]['since_end_s']['median']:6.2f} s from the end of the old one"
        )
    return figures


PARTS: dict[str, Callable[[Run], Figures]] = {
    "steady": steady,
    "flat-out": flat_out,
    "memory": used_memory,
    "stalled": stalled,
    "restart": restarted,
}


def print_compared(figures: Figures) -> None:
    print(
        f"  {'contender':32} {'CPU us/delivery':>20} {'of websockets':>20} {'p50 ms':>7} {'p99 ms':>7} {'deliv./s':>10}"
    )
    for name, found in figures.items():
        cpu, ratio = found["us_per_delivery"], found.get("of_websockets")
        compared = f"{ratio['median']:6.2f} ({ratio['low']:4.2f}-{ratio['high']:4.2f})" if ratio else ""
        print(
            f"  {name:32} {cpu['median']:6.2f} ({cpu['low']:5.2f}-{cpu['high']:5.2f}) {compared:>18} "
            f"{found['p50_ms']['median']:8.2f} {found['p99_ms']['median']:7.1f} "
            f"{found['deliveries_per_s']['median']:10,.0f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less than a minute: fewer parts, clients and rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    parser.add_argument("--part", choices=PARTS, nargs="+")
    parser.add_argument("--contender", choices=CONTENDERS, nargs="+")
    parser.add_argument("--clients", type=int, nargs="+")
    parser.add_argument("--rounds", type=int)
    wanted = parser.parse_args()
    parts = wanted.part or (QUICK_PARTS if wanted.quick else list(PARTS))
    names = wanted.contender or (QUICK_CONTENDERS if wanted.quick else list(CONTENDERS))
    sizes = wanted.clients or ([10, 100] if wanted.quick else [10, 100, 1000, 5000])
    rounds = wanted.rounds or (1 if wanted.quick else 5)

    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, Linux {platform.release()}")
    figures = {}
    with loading() as load:
        for part in parts:
            figures[part] = PARTS[part](Run(load, names, rounds, sizes, wanted.quick))
    if wanted.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    try:
        main()
    except EventsMissing as missing:
        sys.exit(str(missing))
