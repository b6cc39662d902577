"""The commands for the field: `scan`, `read` and `probe`, made of the same parts as the poller."""

from dataclasses import replace

import click

from models.gateways import DataType, Table, WordOrder
from poller import field_reports, probe, question, read_value, scan, suggestion
from poller.command_line import FieldCommand, Progress, end, fail, print_json, print_lines, run, run_to_end
from poller.knocking import Knocker
from poller.modbus import Connection, LinkTimes
from poller.plausibility import UNITS
from poller.question import BadQuestion, Target
from settings import Settings

__all__ = ["BadQuestion", "register"]

PROBE_TIMEOUT_S = 10.0
PROBE_LONGEST_S = 60.0
MOST_REQUESTS = 10_000
SCAN_TIMEOUT_S = 5.0
SCAN_GAP_S = 0.06  # rest that Eastron's older meters ask for between two requests

UNIT = click.option("--unit", type=int, default=1, show_default=True, help="Unit id of the device, 0 to 255.")
TABLE = click.option("--table", type=click.Choice([one.value for one in Table]), default="holding", show_default=True)
ADDRESS = click.option("--address", default="0", show_default=True, help="From zero, as on the wire; also 0x...")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, on the last line.")


def register(group: click.Group) -> None:
    """Add the three commands to a group; what they raise as BadQuestion is the person's mistake."""
    for command in (scan_units, read, probe_link):
        group.add_command(command)


@click.command("read", cls=FieldCommand)
@click.argument("gateway", metavar="HOST[:PORT]")
@UNIT
@TABLE
@ADDRESS
@click.option(
    "--type", "data_type", type=click.Choice([one.value for one in DataType]), help="Default: uint16, or bit."
)
@click.option("--order", type=click.Choice([one.value for one in WordOrder]), help="A is the most significant byte.")
@click.option("--scale", type=float, default=1.0, show_default=True, help="value = raw * scale + offset")
@click.option("--offset", type=float, default=0.0, show_default=True)
@click.option("--bit", type=int, help="Which bit of a register, 0 is the least significant.")
@click.option("--words", type=int, help="Registers that a string takes.")
@click.option("--count", type=int, default=1, show_default=True, help="So many values, side by side.")
@click.option("--not-available", multiple=True, metavar="HEX", help='Raw value that means "no value", x is any digit.')
@click.option("--expect", type=click.Choice(UNITS), help="What the value should be in: helps to tell the orders apart.")
@click.option("--timeout", type=float, metavar="S", help="Wait so long, to connect and to be answered.")
@AS_JSON
@click.pass_context
def read(
    context: click.Context,
    gateway: str,
    unit: int,
    table: str,
    address: str,
    data_type: str | None,
    order: str | None,
    scale: float,
    offset: float,
    bit: int | None,
    words: int | None,
    count: int,
    not_available: tuple[str, ...],
    expect: str | None,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Read one value and show it in every word order: read 10.0.0.7:502 --unit 2 --table input --type float32."""
    target = question.target(gateway)
    asked = read_value.question(
        unit_id=question.unit_id(unit),
        table=Table(table),
        address=question.address(address),
        data_type=None if data_type is None else DataType(data_type),
        order=None if order is None else WordOrder(order),
        scale=scale,
        offset=offset,
        bit=bit,
        words=words,
        not_available=not_available,
        count=count,
    )
    times, has_neighbours = _times(context, timeout), not as_json
    reading, neighbours = run(_read(target, times, asked, has_neighbours), as_json)
    ways = read_value.in_every_order(reading, expect or "")
    if as_json:
        print_json(read_value.document(reading, ways))
    else:
        beside = [(one, read_value.in_every_order(one, expect or "")) for one in neighbours]
        print_lines(field_reports.reading_lines(target, reading, ways, beside))


async def _read(
    target: Target, times: LinkTimes, asked: read_value.Question, has_neighbours: bool
) -> tuple[read_value.Reading, list[read_value.Reading]]:
    connection = Connection(target.host, target.port, times)
    try:
        reading = await read_value.read_value(connection, asked)
        return reading, await read_value.read_neighbours(connection, asked) if has_neighbours else []
    finally:
        connection.close()


@click.command("probe", cls=FieldCommand)
@click.argument("gateway", metavar="HOST[:PORT]")
@UNIT
@TABLE
@ADDRESS
@click.option("--count", type=int, default=1, show_default=True, help="Registers, or bits, that are read.")
@click.option("--requests", type=click.IntRange(1, MOST_REQUESTS), default=20, show_default=True)
@click.option("--interval", type=float, default=0.0, show_default=True, help="Seconds between two.")
@click.option("--timeout", type=float, default=PROBE_TIMEOUT_S, show_default=True, help="Wait so many seconds.")
@AS_JSON
def probe_link(
    gateway: str,
    unit: int,
    table: str,
    address: str,
    count: int,
    requests: int,
    interval: float,
    timeout: float,
    as_json: bool,
) -> None:
    """Measure a link and say which time-outs suit it: probe 10.0.0.7 --unit 2 --table input --address 0 --count 2."""
    target, wait_s, rest_s = question.target(gateway), question.timeout_s(timeout), question.interval_s(interval)
    ping = probe.ping(question.unit_id(unit), Table(table), question.address(address), count)
    probing = probe.Probe(Connection(target.host, target.port, _all(wait_s)), ping)
    progress = Progress()
    work = probing.run(
        requests=requests,
        interval_s=rest_s,
        longest_s=PROBE_LONGEST_S + requests * rest_s,
        told=lambda done: progress.show(f"{done} of {requests} requests"),
    )
    is_whole = run_to_end(work, progress, as_json)
    measured = probing.measurement
    if not measured.has_answered and not measured.late:
        fail(probing.last_error, as_json)
    times = suggestion.suggest(measured)
    said = suggestion.advice(measured, times, ping)
    if as_json:
        print_json({"target": str(target), "complete": is_whole, **suggestion.document(measured, times, said)})
    else:
        print_lines(field_reports.probe_lines(target, ping, measured, times, said))
    end(is_whole and measured.has_answered)


@click.command("scan", cls=FieldCommand)
@click.argument("gateway", metavar="HOST[:PORT]")
@click.option("--units", default="1-247", show_default=True, help="Which, and in which order: 1-247 or 1,2,5-9.")
@click.option(
    "--timeout",
    type=float,
    default=SCAN_TIMEOUT_S,
    show_default=True,
    help="Wait so many seconds at the most; a unit that is not there costs less once another has answered.",
)
@AS_JSON
def scan_units(gateway: str, units: str, timeout: float, as_json: bool) -> None:
    """Find the units behind a gateway and what they are: scan 10.0.0.7 --units 1-20.

    Each is asked for two registers of the holding and of the input table; Ctrl-C ends with what was found so far.
    """
    target, unit_ids, wait_s = question.target(gateway), question.unit_ids(units), question.timeout_s(timeout)
    connection = Connection(target.host, target.port, replace(_all(wait_s), request_gap_s=SCAN_GAP_S))
    scanning = scan.Scan(connection, Knocker(connection, wait_s))
    progress = Progress()
    work = scanning.run(unit_ids, lambda done, found: progress.show(_how_far(done, len(unit_ids), found)))
    is_whole = run_to_end(work, progress, as_json)
    if as_json:
        print_json(scan.document(scanning, target, len(unit_ids)))
    else:
        print_lines(field_reports.scan_lines(target, scanning, len(unit_ids)))
    end(is_whole and not scanning.problem)


def _how_far(done: int, total: int, found: int) -> str:
    return f"{done} of {total} units asked, {found} found"


def _times(context: click.Context, timeout_s: float | None) -> LinkTimes:
    """The time-out that was asked for, else those of a new gateway."""
    settings = context.find_object(Settings)
    if timeout_s is not None:
        return _all(question.timeout_s(timeout_s))
    if settings is None:
        return LinkTimes()
    return LinkTimes(
        connect_s=settings.connect_timeout_s,
        first_s=settings.first_timeout_s,
        shortest_s=settings.shortest_timeout_s,
        longest_s=settings.longest_timeout_s,
    )


def _all(seconds: float) -> LinkTimes:
    """Time-outs that do not follow the round trips: what is measured must not change the measure."""
    return LinkTimes(connect_s=seconds, first_s=seconds, shortest_s=seconds, longest_s=seconds)
