"""What `read`, `probe` and `scan` say to a person: tables and sentences, made from what was measured."""

from collections.abc import Iterator, Sequence

from models.gateways import WordOrder
from poller.decode import Value
from poller.modbus import ConnectionLost, ExceptionReply, NoAnswer, PollError
from poller.plausibility import CLEAR_LEAD, LOOKS_RIGHT, Ranked
from poller.probe import Measurement, Ping
from poller.question import Target
from poller.read_value import Reading
from poller.recognition import Unit
from poller.scan import Scan, add_command, device_options
from poller.suggestion import Suggestion

MOST_VALUES_SHOWN = 6
STATUS_WORDS = {"V": "from the maker's document", "C": "that programs agree on", "U": "unverified"}
EXCEPTION_REMEDIES = {
    1: "the device has no such function: try another --table",
    2: "there is no such register: is the address counted from zero, and is it the right --table?",
    3: "the device does not allow this count: some want even counts, or fewer registers in one request",
    4: "the device can't give this register now: try again, or read a neighbour",
    6: "the device is busy: try again",
    10: "the gateway has no way to this unit: is the unit id right, and the serial line set up?",
    11: "the unit behind the gateway does not answer: check its address, its wiring and its baud rate",
}


def failure(error: PollError) -> str:
    """An error with what to try, in one line."""
    remedy = ""
    if isinstance(error, ExceptionReply):
        remedy = EXCEPTION_REMEDIES.get(error.code, "its manual knows what that means")
    elif isinstance(error, NoAnswer):
        remedy = "is the unit id right, and the meter wired and powered? `scan` shows which units answer"
    elif isinstance(error, ConnectionLost):
        remedy = "does it allow only one client, or is the port that of something else?"
    return f"{error}; {remedy}" if remedy else str(error)


# ---------------------------------------------------------------- read


def reading_lines(
    target: Target, reading: Reading, ways: Sequence[Ranked], neighbours: Sequence[tuple[Reading, Sequence[Ranked]]]
) -> Iterator[str]:
    """All word orders side by side, the neighbours below, and which of them looks right."""
    question, took = reading.question, reading.round_trip_ms
    words = " ".join(f"{word:x}" if question.table.is_bits else f"{word:04X}" for word in reading.words)
    yield f"{target} unit {question.unit_id}, {question.table} {question.address} x {question.word_count}: {words}" + (
        "" if took is None else f"  ({took:.1f} ms)"
    )
    yield ""
    yield f"  {'address':>9}  {'order':8}  {'looks right':>11}  value"
    for one, its_ways in ((reading, ways), *neighbours):
        for way in its_ways:
            asked = one is reading and way.order is question.encoding.word_order
            note = "   <- asked" if asked else ""
            address = one.question.address
            yield f"  {address:>9}  {way.order:8}  {way.score:>11.0%}  {_values(way.values)}{note}"
    yield ""
    yield verdict(reading, ways, neighbours)


def _values(values: Sequence[Value | None]) -> str:
    shown = ", ".join(shown_value(value) for value in values[:MOST_VALUES_SHOWN])
    return f"{shown}, ... ({len(values)} in all)" if len(values) > MOST_VALUES_SHOWN else shown


def shown_value(value: Value | None) -> str:
    """A value for the eye: nine digits of a number with decimals, text in quotes."""
    if value is None:
        return "not available"
    if isinstance(value, str):
        return repr(value)
    return str(value) if isinstance(value, int) else f"{value:.9g}"


def verdict(
    reading: Reading, ways: Sequence[Ranked], neighbours: Sequence[tuple[Reading, Sequence[Ranked]]] = ()
) -> str:
    """One sentence: which reading looks right, and what to change in the question for it."""
    if reading.question.table.is_bits:
        return f"The bit is {_values(reading.values)}."
    asked = reading.question.encoding.word_order
    best, mine = ways[0], next(way for way in ways if way.order is asked)
    if best.score < LOOKS_RIGHT:
        return _elsewhere(reading, best, neighbours)
    if mine.values == best.values or (mine.score >= LOOKS_RIGHT and best.score - mine.score < CLEAR_LEAD):
        rivals = [way for way in ways if _is_rival(way, mine)]
        also = f"; as likely: {', '.join(_said(way) for way in rivals)}" if rivals else ""
        return f"{_said(mine)} looks right{also}."
    return f"{_said(best)} looks right, rather than {_said(mine)}: --order {best.order}."


def _is_rival(way: Ranked, mine: Ranked) -> bool:
    is_close = way.score >= LOOKS_RIGHT and mine.score - way.score < CLEAR_LEAD
    return way.values != mine.values and is_close


def _elsewhere(reading: Reading, best: Ranked, neighbours: Sequence[tuple[Reading, Sequence[Ranked]]]) -> str:
    """When nothing looks right at the address: perhaps it does one before or one after."""
    others = [(ways[0].score, one.question.address, ways[0]) for one, ways in neighbours]
    score, address, way = max(others, key=lambda other: other[0], default=(0.0, 0, best))
    where = f"nothing at {reading.question.address} looks right"
    if score >= LOOKS_RIGHT and score - best.score >= CLEAR_LEAD:
        return f"{where.capitalize()}, but {_said(way)} at {address} does: --address {address} --order {way.order}."
    return f"{where.capitalize()}: is the type right, and the address counted from zero?"


def _said(way: Ranked) -> str:
    order: WordOrder = way.order
    return f"{_values(way.values[:1])} ({order})"


# ---------------------------------------------------------------- probe


def probe_lines(
    target: Target, ping: Ping, measured: Measurement, suggestion: Suggestion | None, said: Sequence[str]
) -> Iterator[str]:
    """The figures, what they mean, and the command that sets what they suggest."""
    yield f"{target} unit {ping.unit_id}, {ping.table} {ping.address} x {ping.count}, {measured.asked} requests"
    yield ""
    yield f"  connect         {_ms(measured.connects_ms[0] if measured.connects_ms else None)}"
    quantiles = [_ms(measured.quantile_ms(share)) for share in (0.0, 0.5, 0.95, 1.0)]
    yield f"  round trip      {' / '.join(quantiles)}  (min / median / 95 % / max)"
    yield f"  jitter          {_ms(measured.jitter_ms)}  (mean change from one to the next)"
    penalty = measured.first_penalty_ms
    note = "" if penalty is None else f"  ({penalty:+.1f} ms against the usual)"
    yield f"  first request   {_ms(measured.firsts_ms[0] if measured.firsts_ms else None)}{note}"
    yield f"  late, lost      {measured.late}, {measured.lost}"
    codes = ", ".join(f"{times} x {code}" for code, times in sorted(measured.exceptions.items()))
    yield f"  exceptions      {codes or 'none'}"
    yield f"  reconnects      {measured.reconnects}"
    yield f"  bytes           {measured.bytes_sent} sent, {measured.bytes_received} received (Modbus frames)"
    yield ""
    for sentence in said:
        yield f"{sentence[0].upper()}{sentence[1:]}."
    if suggestion is not None:
        yield f"python app.py gateway edit NAME {suggestion.options}"


def _ms(milliseconds: float | None) -> str:
    return "not measured" if milliseconds is None else f"{milliseconds:.1f} ms"


# ---------------------------------------------------------------- scan


def scan_lines(target: Target, scan: Scan, unit_count: int) -> Iterator[str]:
    """What was found, unit by unit, and the command that polls it."""
    yield f"{target}: {len(scan.found)} of {len(scan.asked)} units answer"
    for unit in scan.found:
        yield ""
        yield from _unit_lines(unit)
    yield ""
    if scan.problem:
        yield f"Ended early: {scan.problem}" if len(scan.asked) < unit_count else f"No unit answers: {scan.problem}"
    elif len(scan.asked) < unit_count:
        yield f"Ended early: {unit_count - len(scan.asked)} units were not asked."
    options = device_options(scan.found)
    if options:
        yield add_command(target, options)
    elif not scan.found and not scan.problem:
        yield "No unit answers: is the serial line set up in the gateway, and its time-out shorter than --timeout?"
    elif scan.found:
        yield "No template fits; `read` shows single values, and a template of your own can be written."


def _unit_lines(unit: Unit) -> Iterator[str]:
    tables = ", ".join(unit.tables) or "no value at 0"
    yield f"  unit {unit.unit_id:<4} {_ms(unit.round_trip_ms)}, {tables}"
    if unit.identification:
        yield f"    calls itself  {', '.join(unit.identification.values())}"
    if unit.router:
        yield f"    RutOS router  {', '.join(unit.router.values())}"
    if unit.chain is not None:
        models = ", ".join(str(model.id) for model in unit.chain.models)
        yield f"    SunSpec       at {unit.chain.base}, models {models}"
    for match in unit.matches:
        why = f"{match.reason}; map {STATUS_WORDS[match.status]}"
        yield f"    {match.certainty.word:12}  --device {unit.unit_id}:{match.template}  ({why})"
