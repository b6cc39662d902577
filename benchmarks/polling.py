"""How much CPU and memory polling takes, beside six other ways to do it, and how many gateways one core polls in time.

    python benchmarks/polling.py [SECTION ...] [--quick] [--json]

All contenders poll the same simulator process and decode the same 30 points, in turns; each runs in a process of its
own, on another core than the simulator. Every value is compared with what its gateway holds: a wrong one ends the run.
`--json` prints the figures as one JSON object on the last line.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this is run as a script

from benchmarks.polling_compare import compare, rolled
from benchmarks.polling_delays import LTE_LONGEST_S
from benchmarks.polling_points import POINT_COUNT
from benchmarks.polling_workers import Figures, cores, running, simulated

TARGET_GATEWAYS = 1200
ALLOWED_LATENESS_MS = 100.0
ENOUGH_BEGUN = 0.995
LATENCY_GATEWAYS = 200
GROWTH_GATEWAYS = 20
NONE = "none"


@dataclass(frozen=True)
class Extent:
    """How much is measured; the quick one shows that all works, within a minute."""

    rounds: int
    turn_cpu_s: float
    capacity_steps: tuple[int, ...]
    delays: tuple[str, ...]
    dead_kinds: tuple[str, ...]
    dead_rounds: int
    warm_s: float
    measure_s: float
    product_s: float
    growth_polls: int


FULL = Extent(
    rounds=9,
    turn_cpu_s=0.6,
    capacity_steps=(400, 800, 1200, 1400, 1600, 1800, 2000),
    delays=("0", "50", "150", "lte"),
    dead_kinds=("silent", "refusing", "hanging"),
    dead_rounds=3,
    warm_s=4,
    measure_s=10,
    product_s=20,
    growth_polls=100_000,
)
QUICK = Extent(
    rounds=3,
    turn_cpu_s=0.1,
    capacity_steps=(TARGET_GATEWAYS,),
    delays=("lte",),
    dead_kinds=("silent",),
    dead_rounds=1,
    warm_s=2.5,
    measure_s=2.5,
    product_s=3,
    growth_polls=5000,
)


def capacity(extent: Extent) -> Figures:
    """The most gateways polled each second on one core with p99 lateness under 100 ms, in steps."""
    found: Figures = {"gateways": 0}
    for gateways in extent.capacity_steps:
        figures = scheduled(gateways, extent)
        _print_schedule(f"{gateways} gateways", figures)
        found[str(gateways)] = figures
        if figures["late_p99_ms"] > ALLOWED_LATENESS_MS or figures["begun_share"] < ENOUGH_BEGUN:
            break
        found["gateways"] = gateways
    print(f"  in time (p99 < {ALLOWED_LATENESS_MS:.0f} ms): {found['gateways']} gateways x {POINT_COUNT} points at 1 s")
    return found


def latencies(extent: Extent) -> Figures:
    """200 gateways behind links of different delays."""
    found = {}
    for delay in extent.delays:
        found[delay] = scheduled(LATENCY_GATEWAYS, extent, delay)
        _print_schedule(delay if delay == "lte" else f"{delay} ms", found[delay])
    return found


def dead(extent: Extent) -> Figures:
    """1,000 gateways, all alive or one of them dead, in turns: how late the others' polls are."""
    rounds: dict[str, list[Figures]] = {kind: [] for kind in (NONE, *extent.dead_kinds)}
    for number in range(extent.dead_rounds):
        for kind in rolled(list(rounds), number):
            rounds[kind].append(scheduled(1000, extent, dead_kind=kind))
    found = {
        kind: {name: median(one[name] for one in figures) for name in figures[0]} for kind, figures in rounds.items()
    }
    for kind, figures in found.items():
        _print_schedule(f"dead: {kind}", figures)
    return found


def scheduled(gateways: int, extent: Extent, delay: str = "0", dead_kind: str = NONE) -> Figures:
    """Poll so many gateways at 1 s, without a store, and say how late the polls of the living ones began."""
    with simulated(gateways, delay, **({} if dead_kind == NONE else {dead_kind: 1})) as simulator:
        words = ("--port", simulator.ready["port"], "--gateways", gateways, "--core", cores()[1])
        judged = () if dead_kind == NONE else ("--dead", gateways - 1)
        with running("polling_schedule.py", *words, *judged) as worker:
            warm_s = extent.warm_s + (LTE_LONGEST_S if delay == "lte" else 0)  # asleep at first, all of them
            figures = worker.ask(warm_s=warm_s, measure_s=extent.measure_s)
            simulator_share = simulator.ask()["cpu_s"] / (warm_s + extent.measure_s)
    return figures | {"simulator_share": simulator_share}


def _print_schedule(name: str, figures: Figures) -> None:
    late, duration = (
        f"p50 {figures[f'{kind}_p50_ms']:6.1f} p99 {figures[f'{kind}_p99_ms']:6.1f}" for kind in ("late", "duration")
    )
    core = f"{figures['cpu_share']:.0%} (+ {figures['queued_share']:.0%} waiting for it)"
    print(
        f"  {name:14} late ms {late}, poll ms {duration}, begun {figures['begun_share']:.1%},"
        f" failed {figures['failed']:.0f}, core {core}, simulator {figures['simulator_share']:.0%},"
        f" RSS {figures['rss_mb']:.0f} MB",
        flush=True,
    )


def store(extent: Extent) -> Figures:
    """The real process: 200 gateways at 1 s polled, stored and published."""
    return _product(200, 1.0, extent)


def memory(extent: Extent) -> Figures:
    """The real process with 1,000 gateways, at the product's own interval of 5 s."""
    return _product(1000, 5.0, extent)


def _product(gateways: int, interval_s: float, extent: Extent) -> Figures:
    from benchmarks.polling_product import Plant, running_poller  # the database's modules take a second to load

    with simulated(gateways) as simulator:
        plant = Plant(gateways, simulator.ready["port"], interval_s)
        with running_poller(plant, cores()[1]) as poller:
            poller.wait_for_first_readings()
            figures = poller.measure(extent.product_s)
    print(f"  {gateways} gateways x {POINT_COUNT} points at {interval_s:g} s, polled, stored and published:")
    for name, value in figures.items():
        print(f"    {name:24} {value:10.3f}")
    return figures


def growth(extent: Extent) -> Figures:
    """What the process holds after ever more polls; the first fifth fills caches and is not counted."""
    with simulated(GROWTH_GATEWAYS) as simulator:
        words = ("--port", simulator.ready["port"], "--gateways", GROWTH_GATEWAYS, "--core", cores()[1])
        with running("polling_schedule.py", *words) as worker:
            answer = worker.ask(polls=extent.growth_polls)
    early, late = answer["held"][1], answer["held"][-1]
    grown = {f"grown_{name}": late[name] - early[name] for name in late}
    print(f"  {answer['polls']:,} polls: " + ", ".join(f"{name} {value:+.1f}" for name, value in grown.items()))
    return {"polls": answer["polls"], **late, **grown}


SECTIONS: dict[str, Callable[[Extent], Figures]] = {
    "compare": lambda extent: compare(extent.rounds, extent.turn_cpu_s),
    "capacity": capacity,
    "latencies": latencies,
    "dead": dead,
    "store": store,
    "memory": memory,
    "growth": growth,
}


def rounded(value: Any) -> Any:
    """For JSON: four decimals, and null for what could not be measured."""
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, float):
        return round(value, 4) if isfinite(value) else None
    return value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; all if none is named"
    )
    parser.add_argument("--quick", action="store_true", help="less of everything, within a minute")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    arguments = parser.parse_args()
    unknown = set(arguments.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    print(f"Polling on {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    figures: Figures = {}
    for name in arguments.sections or SECTIONS:
        print(f"{name}:", flush=True)
        figures[name] = SECTIONS[name](QUICK if arguments.quick else FULL)
    if arguments.json:
        print(json.dumps(rounded(figures)))


if __name__ == "__main__":
    main()
