"""Charts and energy out of 1, 10 and 100 million stored readings: what they cost, and that it does not grow.

    python benchmarks/history.py --folder DIR [--readings 1000000 10000000 100000000] [--quick] [--json]
        [--part memory charts energy clicks]

The stores are built in the folder once, a year long (see history_store.py), and used again. Of each:
chart: four points at 1,500 px over 15 min, 24 h, 7 d, 30 d and 1 y, by ours (`models.history.tracks`, with gaps and
statistics), by SQL over the raw rows in SQLite, by DuckDB over Parquet and, up to --postgresql, by PostgreSQL, in
turns on the same readings. "dense": polled as often as the size allows; "steady": the same four in every store, so that
its figures show the store's size alone. "until now": with the newest readings, not rolled up yet. "cold": after the
file has been thrown out of the machine's cache.
energy: a year of fifty meters by month, and all that the page Energy shows of it. memory: growth over 500 charts.
click: from the click on a span of the page History to the drawn chart, in Chromium, at 1,440 px.
Targets: charts p95 < 100 ms on the server and < 400 ms on the screen, energy < 500 ms, whatever the size.
"""

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this is run as a script

from benchmarks.first_light import machine
from benchmarks.history_clicks import clicks
from benchmarks.history_peers import PIXELS, SPANS, Ours, Peer, end_ms_of, peers
from benchmarks.history_store import YEAR_DAYS, Built, history_of
from benchmarks.store_figures import percentiles, show
from benchmarks.store_meters import Channel, channels
from dashboard import energy_facts
from models.database import Database, to_ms
from models.energy_periods import Flow, energy
from models.gateways import Site
from models.periods import PeriodKind, periods
from tests.models.postgresql import Cluster

Figures = dict[str, float]

CHARTS, QUICK_CHARTS = 60, 12
PATIENCE_S = 20.0  # a peer whose chart takes long is asked less often: it gets so long for each span
MEMORY_CHARTS, QUICK_MEMORY_CHARTS, WARM_UP = 500, 100, 50
CLICKS, QUICK_CLICKS = 20, 3
ENERGY_ROUNDS, QUICK_ENERGY_ROUNDS = 40, 10
COLD_ROUNDS = 5
JITTER_S = 600  # charts end at another moment each time
SIZES, QUICK_SIZES = (1_000_000, 10_000_000, 100_000_000), (1_000_000, 3_000_000)


def dense(points: Sequence[Channel]) -> list[int]:
    """Four powers, those of "Supply" where there are any."""
    group = "Supply" if any(point.group == "Supply" for point in points) else "Steady"
    return [point.id for point in points if point.group == group]


def steady(points: Sequence[Channel]) -> list[int]:
    return [point.id for point in points if point.group == "Steady"]


def chart_turns(
    contenders: Mapping[str, Peer], points: Sequence[int], end_ms: int, rounds: int
) -> dict[str, dict[str, Figures]]:
    """By contender and span: how long a chart takes. They take turns; all draw the same."""
    took_ms: dict[tuple[str, str], list[float]] = {}
    dice = random.Random(1)
    for number in range(rounds):
        jitter_ms = dice.randrange(JITTER_S) * 1000
        names = list(contenders)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            for span, length in SPANS.items():
                known = took_ms.setdefault((name, span), [])
                if sum(known) < PATIENCE_S * 1000:
                    to = end_ms - jitter_ms
                    known.append(timed_ms(contenders[name].chart, points, to - _ms(length), to))
    return {name: {span: percentiles("chart", took_ms[name, span]) for span in SPANS} for name in contenders}


def timed_ms(work: Callable[..., object], *given: object) -> float:
    started = time.perf_counter()
    work(*given)
    return (time.perf_counter() - started) * 1000


def _ms(length: timedelta) -> int:
    return length // timedelta(milliseconds=1)


def cold_charts(path: Path, points: Sequence[int], end_ms: int) -> dict[str, Figures]:
    """Ours, when nothing of the file is in the machine's memory."""
    found = {}
    for span, length in SPANS.items():
        took_ms = []
        for _ in range(COLD_ROUNDS):
            evict(path)
            database = Database(f"sqlite:///{path}")
            with database.read():
                took_ms.append(timed_ms(Ours(database).chart, points, end_ms - _ms(length), end_ms))
            database.close()
        found[span] = percentiles("chart", took_ms)
    return found


def evict(path: Path) -> None:
    """Throw a file out of the machine's cache."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def energy_of_a_year(database: Database, rounds: int) -> dict[str, Figures]:
    """Twelve months of all counters, and what the page makes of the year before today."""
    now = datetime.now(UTC)
    search = f"?period=custom&from={(now - timedelta(days=365)):%Y-%m-%d}&to={now:%Y-%m-%d}"
    asked: dict[str, list[float]] = {"sums by month": [], "the page's facts": []}
    for _ in range(rounds):
        asked["sums by month"].append(timed_ms(_year, database, now))
        asked["the page's facts"].append(timed_ms(_facts, database, search, now))
    return {name: percentiles("energy", took_ms) for name, took_ms in asked.items()}


def _year(database: Database, now: datetime) -> None:
    with database.read() as session:
        site = session.query(Site).one()
        months = periods(PeriodKind.MONTH, now - timedelta(days=365), now, ZoneInfo(site.time_zone))
        table = energy(session, site, months, Flow.IMPORT, now)
    assert table.site.total.energy_kwh and len(table.by_meter) == 50


def _facts(database: Database, search: str, now: datetime) -> None:
    with database.read() as session:
        energy_facts.read(session, search, now)


def memory_growth(database: Database, points: Sequence[int], end_ms: int, charts: int) -> Figures:
    """Resident memory after many charts against after a few, in MB."""
    process, ours = psutil.Process(), Ours(database)
    spans = list(SPANS.values())
    for number in range(WARM_UP):
        ours.chart(points, end_ms - _ms(spans[number % len(spans)]), end_ms)
    before = process.memory_info().rss
    for number in range(charts):
        to = end_ms - number * 1000
        ours.chart(points, to - _ms(spans[number % len(spans)]), to)
    after = process.memory_info().rss
    return {"charts": charts, "before_mb": before / 1e6, "growth_mb": (after - before) / 1e6}


def measure_charts(built: Built, cluster: Cluster | None, *, quick: bool) -> dict[str, Any]:
    database = Database(built.url)
    points = channels(database)
    database.close()
    now_ms, rounds = to_ms(datetime.now(UTC)), QUICK_CHARTS if quick else CHARTS
    found: dict[str, Any] = {}
    with peers(built.path, cluster) as contenders:
        end_ms = end_ms_of(built.path)
        found["dense"] = chart_turns(contenders, dense(points), end_ms, rounds)
        ours = {"ours": contenders["ours"]}
        found["steady"] = chart_turns(ours, steady(points), end_ms, rounds)
        found["dense, until now"] = chart_turns(ours, dense(points), now_ms, rounds)
    found["cold"] = {"ours": cold_charts(built.path, dense(points), end_ms)}
    for name, contenders_of in found.items():
        for contender, spans in contenders_of.items():
            for span, figures in spans.items():
                show(f"chart of 4 points, {PIXELS} px, {name}, {span}: {contender}", figures)
    return found


def measure_energy(built: Built, _cluster: Cluster | None, *, quick: bool) -> dict[str, Any]:
    database = Database(built.url)
    found = energy_of_a_year(database, QUICK_ENERGY_ROUNDS if quick else ENERGY_ROUNDS)
    database.close()
    for name, figures in found.items():
        show(f"energy of a year and 50 meters: {name}", figures)
    return {"energy": found}


def measure_memory(built: Built, _cluster: Cluster | None, *, quick: bool) -> dict[str, Any]:
    database = Database(built.url)
    charts = QUICK_MEMORY_CHARTS if quick else MEMORY_CHARTS
    found = memory_growth(database, dense(channels(database)), to_ms(datetime.now(UTC)), charts)
    database.close()
    show("resident memory", found)
    return {"memory": found}


def measure_clicks(built: Built, _cluster: Cluster | None, *, quick: bool) -> dict[str, Any]:
    database = Database(built.url)
    points = dense(channels(database))
    database.close()
    found = clicks(built.path, points, QUICK_CLICKS if quick else CLICKS)
    for span, figures in found.items():
        show(f"click to drawn chart, {span}", figures)
    return {"click": found}


class Part(Protocol):
    """One kind of figures of a store."""

    def __call__(self, built: Built, _cluster: Cluster | None, /, *, quick: bool) -> dict[str, Any]: ...


PARTS: dict[str, Part] = {  # memory first: the peers' would be counted with ours
    "memory": measure_memory,
    "charts": measure_charts,
    "energy": measure_energy,
    "clicks": measure_clicks,
}


def measure(built: Built, cluster: Cluster | None, parts: Sequence[str], *, quick: bool) -> dict[str, Any]:
    """The figures of one store."""
    size = {"readings": built.readings, "built_in_s": built.took_s, "file_mb": built.path.stat().st_size / 1e6}
    show(built.path.name, size)
    found: dict[str, Any] = {"store": size}
    for part in parts:
        found |= PARTS[part](built, cluster, quick=quick)
    return found


def growth(found: Mapping[str, Any]) -> Figures:
    """The largest store's median charts against the smallest one's."""
    stores = list(found.values())
    first, last = stores[0], stores[-1]
    return {
        f"{name}_{span}": last[name]["ours"][span]["chart_p50_ms"] / first[name]["ours"][span]["chart_p50_ms"]
        for name in ("dense", "steady")
        for span in SPANS
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where the stores are kept")
    parser.add_argument("--readings", type=int, nargs="+", help="sizes of stores")
    parser.add_argument("--days", type=int, default=YEAR_DAYS, help="the span of a store")
    parser.add_argument("--postgresql", type=int, default=10_000_000, help="load stores of up to so many readings")
    parser.add_argument("--quick", action="store_true", help="1 and 3 million readings, fewer rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    parser.add_argument("--part", nargs="+", choices=list(PARTS), default=list(PARTS), help="only these")
    wanted = parser.parse_args()
    sizes = wanted.readings or (QUICK_SIZES if wanted.quick else SIZES)
    print(f"History on {machine()}", flush=True)
    found: dict[str, Any] = {}
    cluster = Cluster()
    try:
        for size in sizes:
            built = history_of(wanted.folder, size, wanted.days)
            found[str(size)] = measure(
                built, cluster if size <= wanted.postgresql else None, wanted.part, quick=wanted.quick
            )
    finally:
        cluster.close()
    if "charts" in wanted.part:
        found["growth"] = growth(found)
        show("median charts of the largest store, times those of the smallest", found["growth"])
    if wanted.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
