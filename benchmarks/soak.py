"""A hundred thousand polls of gateways that misbehave at random: nothing leaks, no value is wrong, periods are held.

    python benchmarks/soak.py [--polls 100000] [--quick] [--seed 1] [--json]

Most gateways are polled again and again without a pause and have a few percent of their requests spoilt; some are
healthy and polled at an exact period beside them. A process of its own plays all of them. The clock of the polls runs
fast, so that what waits for a minute or a day is over in seconds. Ends by itself; the exit code is 1 if anything is
wrong, and what it is stands in the last lines. `--json` prints the figures as one JSON object on the last line.
"""

import argparse
import asyncio
import gc
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.soak_gateway import LISTENS_S, Budget, Polled, Resources
from benchmarks.soak_servers import FAULTY, HEALTHY, Played, Servers
from models.gateways import Outcome
from poller.loop import new_event_loop

MOST_GROWTH_MB = 10.0
MOST_OBJECTS_GROWN = 5_000
MOST_LATENESS_MS = 250.0  # of 95 % of the polls; a machine that is busy with something else holds up a few
SOCKETS_PER_GATEWAY = 6  # the connection and those that are given up but may still bring a late reply
MOST_DESCRIPTORS = 30 + SOCKETS_PER_GATEWAY * (FAULTY + HEALTHY)
MOST_TASKS = 2 + 2 * (FAULTY + HEALTHY)
MOST_POLLS = 150_000  # the requests to each gateway are told apart by 16 bits
SAMPLE_EVERY_S = 0.5
SETTLE_S = 0.1
LONGEST_RUN_S = 1_200.0
QUICK_RUN_S = 60.0


@dataclass(frozen=True)
class Figures:
    """What a soak has shown."""

    polls: int
    seconds: float
    polls_per_s: float
    outcomes: dict[str, int]
    held_back: int
    readings: int
    wrong_values: list[str]
    requests: int
    replies: int
    late: int
    lost: int
    connects: int
    exceptions: dict[int, int]
    faults: dict[str, int]
    requests_served: int
    requests_told: int  # by the polls
    late_told: int
    lost_told: int
    reused_connections: int
    healthy_polls: int
    healthy_failures: int
    lateness_p95_ms: float
    lateness_p99_ms: float
    lateness_worst_ms: float
    growth_mb: float
    objects_grown: float
    most_descriptors: int
    most_tasks: int
    sockets_left: int
    tasks_left: int


def violations(figures: Figures, wanted_polls: int) -> list[str]:
    """What is not as it must be, in words."""
    ended = figures.replies + figures.late + figures.lost
    checks = {
        f"{figures.polls} polls, not {wanted_polls}: the time was over": figures.polls < wanted_polls,
        f"wrong values: {'; '.join(figures.wrong_values[:5])}": bool(figures.wrong_values),
        f"{figures.requests} requests, but {ended} replies, late and lost ones": figures.requests != ended,
        f"{figures.requests} requests, the polls told of {figures.requests_told}": (
            figures.requests != figures.requests_told
        ),
        f"{figures.late} late and {figures.lost} lost, the polls told of {figures.late_told} and {figures.lost_told}": (
            (figures.late, figures.lost) != (figures.late_told, figures.lost_told)
        ),
        f"{figures.requests_served} requests came, {figures.requests} were sent": (
            not figures.requests - figures.lost <= figures.requests_served <= figures.requests
        ),
        f"{figures.reused_connections} requests on connections that can't be trusted": figures.reused_connections > 0,
        f"{figures.healthy_failures} polls of healthy gateways failed": figures.healthy_failures > 0,
        f"healthy gateways polled {figures.lateness_p95_ms:.0f} ms late": figures.lateness_p95_ms > MOST_LATENESS_MS,
        f"memory grew by {figures.growth_mb:.1f} MB": figures.growth_mb > MOST_GROWTH_MB,
        f"{figures.objects_grown:.0f} objects more": figures.objects_grown > MOST_OBJECTS_GROWN,
        f"{figures.most_descriptors} descriptors at once": figures.most_descriptors > MOST_DESCRIPTORS,
        f"{figures.most_tasks} tasks at once": figures.most_tasks > MOST_TASKS,
        f"{figures.sockets_left} sockets left open": figures.sockets_left > 0,
        f"{figures.tasks_left} tasks left": figures.tasks_left > 0,
    }
    return [words for words, is_wrong in checks.items() if is_wrong]


async def poll_all(polled: Sequence[Polled], budget: Budget, resources: Resources, limit_s: float) -> None:
    """Poll until the budget is spent or the time is over; sample the resources once it has warmed up."""
    faulty = (one.poll_without_pause(budget) for one in polled[:FAULTY])
    healthy = (one.poll_in_time(budget) for one in polled[FAULTY:])
    work = [asyncio.ensure_future(polling) for polling in (*faulty, *healthy)]
    give_up = time.monotonic() + limit_s
    while not budget.is_spent and time.monotonic() < give_up:
        done, _ = await asyncio.wait(work, timeout=SAMPLE_EVERY_S, return_when=asyncio.FIRST_EXCEPTION)
        for one in done:
            one.result()
        if budget.is_warm:
            resources.sample()
    budget.total = 0
    await asyncio.wait_for(asyncio.gather(*work), 60)


async def finish(polled: Sequence[Polled], servers: Servers) -> None:
    """Wait until nobody listens for late replies, then poll once more, whole: the counts of the polls are complete."""
    await asyncio.to_thread(servers.heal)
    await asyncio.sleep(LISTENS_S + SETTLE_S)
    for one in polled:
        await one.poll_at_last()


async def soak(servers: Servers, polls: int, limit_s: float) -> Figures:
    """Everything, from the first poll to the figures."""
    gc.collect()
    polled = [Polled(number, port) for number, port in enumerate(servers.ports, start=1)]
    budget, resources = Budget(polls), Resources()
    started = time.monotonic()
    await poll_all(polled, budget, resources, limit_s)
    seconds = time.monotonic() - started
    await finish(polled, servers)
    for one in polled:
        one.connection.close()
    played = await asyncio.to_thread(servers.end)
    await asyncio.sleep(0.2)
    left = len(psutil.Process().net_connections("tcp")), len(asyncio.all_tasks()) - 1
    return _figures(polled, played, resources, (budget.done, seconds), left)


def _figures(
    polled: Sequence[Polled],
    played: Sequence[Played],
    resources: Resources,
    run: tuple[int, float],
    left: tuple[int, int],
) -> Figures:
    counters = [one.connection.counters for one in polled]
    latenesses = [late for one in polled for late in one.latenesses_ms]
    healthy = polled[FAULTY:]
    return Figures(
        polls=run[0],
        seconds=round(run[1], 1),
        polls_per_s=round(run[0] / run[1], 1),
        outcomes={outcome.name: sum(one.outcomes[outcome] for one in polled) for outcome in Outcome},
        held_back=sum(one.held_back for one in polled),
        readings=sum(one.readings for one in polled),
        wrong_values=[
            words for one, played_one in zip(polled, played, strict=True) for words in _wrong(one, played_one)
        ],
        requests=sum(one.requests for one in counters),
        replies=sum(one.replies for one in counters),
        late=sum(one.late for one in counters),
        lost=sum(one.lost for one in counters),
        connects=sum(one.connects for one in counters),
        exceptions=dict(sum((one.exceptions for one in counters), Counter[int]())),
        faults=dict(sum((Counter(one.faults) for one in played), Counter[str]())),
        requests_served=sum(one.requests for one in played),
        requests_told=sum(one.told_requests for one in polled),
        late_told=sum(one.told_late for one in polled),
        lost_told=sum(one.told_lost for one in polled),
        reused_connections=sum(one.reused for one in played),
        healthy_polls=sum(one.outcomes.total() for one in healthy),
        healthy_failures=sum(one.outcomes.total() - one.outcomes[Outcome.OK] for one in healthy),
        lateness_p95_ms=_percentile(latenesses, 95),
        lateness_p99_ms=_percentile(latenesses, 99),
        lateness_worst_ms=round(max(latenesses, default=0.0), 1),
        growth_mb=round(resources.growth_mb(), 1),
        objects_grown=resources.objects_grown(),
        most_descriptors=max(resources.descriptors, default=0),
        most_tasks=max(resources.tasks, default=0),
        sockets_left=left[0],
        tasks_left=left[1],
    )


def _percentile(values: Sequence[float], percent: float) -> float:
    return round(float(np.percentile(values, percent)), 1) if values else 0.0


def _wrong(polled: Polled, played: Played) -> list[str]:
    taken = [generation for generation in played.unusable if polled.has_read[generation]]
    return polled.wrong + [f"generation {generation} was not given in time" for generation in taken]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--polls", type=int, default=100_000, help="polls of all gateways together (100000)")
    parser.add_argument("--seed", type=int, default=1, help="of the faults (1)")
    parser.add_argument("--quick", action="store_true", help="5,000 polls")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    arguments = parser.parse_args()
    if not 0 < arguments.polls <= MOST_POLLS:
        parser.error(f"--polls {arguments.polls}: 1 to {MOST_POLLS}")
    polls, limit_s = (5_000, QUICK_RUN_S) if arguments.quick else (arguments.polls, LONGEST_RUN_S)
    sys.exit(report(polls, limit_s, arguments.seed, arguments.json))


def report(polls: int, limit_s: float, seed: int, as_json: bool) -> int:
    """Run it and print what it shows; 1 if something is wrong."""
    servers = Servers(seed)
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            figures = runner.run(soak(servers, polls, limit_s))
    finally:
        servers.kill()
    for name, value in asdict(figures).items():
        print(f"{name:20} {value}")
    wrong = violations(figures, polls)
    print("\n".join(f"WRONG: {words}" for words in wrong) or "nothing leaked, no value was wrong, periods were held")
    if as_json:
        print(json.dumps(asdict(figures) | {"violations": wrong}))
    return int(bool(wrong))


if __name__ == "__main__":
    main()
