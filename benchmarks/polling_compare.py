"""The contenders of the polling benchmark in turns against one simulator: CPU per poll and per point, and memory."""

from contextlib import ExitStack
from statistics import median, quantiles

from benchmarks.peers import CONTENDERS, PYMODBUS
from benchmarks.polling_points import BLOCKS, POINT_COUNT
from benchmarks.polling_workers import Figures, Worker, cores, running, simulated

GATEWAYS = 20


def compare(rounds: int, turn_cpu_s: float) -> Figures:
    """CPU of each contender, in turns; ratios are taken within a round, and shown with their quartiles."""
    spent_us: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    with ExitStack() as stack:
        simulator = stack.enter_context(simulated(GATEWAYS))
        words = ("--port", simulator.ready["port"], "--gateways", GATEWAYS, "--core", cores()[1])
        workers = {name: stack.enter_context(running("peers.py", name, *words)) for name in CONTENDERS}
        for worker in workers.values():
            worker.ask(cpu_s=turn_cpu_s / 2)
        before = simulator.ask()
        for number in range(rounds):
            for name in rolled(list(CONTENDERS), number):
                turn = workers[name].ask(cpu_s=turn_cpu_s)
                spent_us[name].append(1e6 * turn["cpu_s"] / turn["polls"])
        after = simulator.ask()
        figures = {name: _compared(spent_us, name) | _memory(workers[name]) for name in CONTENDERS}
    simulator_us = 1e6 * (after["cpu_s"] - before["cpu_s"]) / (after["requests"] - before["requests"])
    _print_compared(figures, simulator_us * len(BLOCKS))
    return figures | {"simulator_us_per_request": simulator_us}


def rolled(names: list[str], by: int) -> list[str]:
    by %= len(names)
    return names[by:] + names[:by]


def _compared(spent_us: dict[str, list[float]], name: str) -> Figures:
    ratios = [mine / stock for mine, stock in zip(spent_us[name], spent_us[PYMODBUS], strict=True)]
    low, middle, high = quantiles(ratios, n=4, method="inclusive")
    us_per_poll = median(spent_us[name])
    return {
        "us_per_poll": us_per_poll,
        "us_per_point": us_per_poll / POINT_COUNT,
        "of_pymodbus": middle,
        "of_pymodbus_low": low,
        "of_pymodbus_high": high,
    }


def _memory(worker: Worker) -> Figures:
    rss_mb, uss_mb = worker.memory_mb()
    return {"rss_mb": rss_mb, "uss_mb": uss_mb}


def _print_compared(figures: Figures, simulator_us: float) -> None:
    print(f"{GATEWAYS} gateways, polled without a pause; of stock pymodbus: median (quartiles)")
    print(f"  {'contender':32} {'us/poll':>8} {'us/point':>9} {'of pymodbus':>20} {'RSS MB':>7}")
    for name, found in figures.items():
        ratio = f"{found['of_pymodbus']:.0%} ({found['of_pymodbus_low']:.0%}-{found['of_pymodbus_high']:.0%})"
        print(
            f"  {name:32} {found['us_per_poll']:8.0f} {found['us_per_point']:9.1f} {ratio:>20} {found['rss_mb']:7.0f}"
        )
    print(f"  simulator, per poll of 4 blocks  {simulator_us:8.0f}")
