"""The allow-list of writing: which data points may be written, and which values each of them takes."""

import re
from collections.abc import Iterator
from datetime import datetime
from difflib import get_close_matches
from math import isfinite
from typing import TypeAlias

from sqlalchemy.orm import Session

from models.configuration import BadConfiguration, find_gateway
from models.device_template import check
from models.events import EventKind, log_event
from models.gateways import DataPoint, DataType, Device, Gateway, Table, configuration_changed

Value: TypeAlias = float | int | str

WRITABLE_TABLES = (Table.COIL, Table.HOLDING)
BROADCAST = 0  # as a unit id on a serial bus
LONGEST_VALUE = 300  # characters
WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")
DECIMAL_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)

# RutOS switches Wi-Fi and mobile data by these holding registers: off, they may cut the path that we arrive by, and
# then nobody can switch them on again from here.
ROUTER_TEMPLATES = "teltonika-"
ROUTER_LINKS = range(210, 212)
ROUTER_LINK_KEYS = ("mobile_data", "wifi", "wi_fi")


def find_point(session: Session, gateway_name: str, device_name: str, key: str) -> DataPoint:
    """The data point of these names; the device may be named by its unit id, the point by its label.

    Raises BadConfiguration that names the nearest ones.
    """
    gateway = find_gateway(session, gateway_name)
    device = _find_device(gateway, device_name)
    found = {name.casefold(): point for point in reversed(device.data_points) for name in (point.label, point.key)}
    if key.casefold() in found:
        return found[key.casefold()]
    close = dict.fromkeys(found[name].key for name in get_close_matches(key.casefold(), found, n=3))
    raise BadConfiguration(f'{device.name} has no data point "{key}"; {_hint([*close], _keys(device))}')


def _find_device(gateway: Gateway, name: str) -> Device:
    for device in gateway.devices:
        if name.casefold() == device.name.casefold():
            return device
    for device in gateway.devices:
        if name == str(device.unit_id):
            return device
    names = {device.name.casefold(): device.name for device in gateway.devices}
    close = [names[found] for found in get_close_matches(name.casefold(), names, n=3)]
    raise BadConfiguration(f'gateway "{gateway.name}" has no device "{name}"; {_hint(close, list(names.values()))}')


def _keys(device: Device) -> list[str]:
    return [point.key for point in device.data_points]


def _hint(close: list[str], all_names: list[str]) -> str:
    if close:
        return f"did you mean {', '.join(close)}?"
    more = f" and {len(all_names) - 8} more" if len(all_names) > 8 else ""
    return f"there are {', '.join(all_names[:8])}{more}" if all_names else "it has none"


def set_writable(
    session: Session, point: DataPoint, writable: bool, low: float | None, high: float | None, now: datetime
) -> None:
    """Put a point on the allow-list, or take it off; low, high: what may be written, None where there is no limit.

    Raises BadConfiguration for a point that can't be written, and for limits that can't be.
    """
    for complaint in _impossible(point, low, high) if writable else ():
        raise BadConfiguration(f"{name_of(point)} can't be made writable: {complaint}")
    point.writable = writable
    point.write_min, point.write_max = (low, high) if writable else (None, None)
    log_event(
        session,
        at=now,
        kind=EventKind.GATEWAY_CHANGED,
        gateway_id=point.device.gateway_id,
        device_id=point.device_id,
        data_point_id=point.id,
        text=f"{name_of(point)}: {f'may be written{_span(low, high)}' if writable else 'read only'}",
    )
    configuration_changed(session)


def _impossible(point: DataPoint, low: float | None, high: float | None) -> Iterator[str]:
    never = never_writable(point)
    if never is not None:
        yield never
    limits = [limit for limit in (low, high) if limit is not None]
    if limits and point.data_type is DataType.STRING:
        yield "a text has no least and no greatest value"
    if not all(isfinite(limit) for limit in limits):
        yield f"a limit is a number, not {low} or {high}"
    if low is not None and high is not None and low > high:
        yield f"the least value {low:.12g} is above the greatest {high:.12g}"


def never_writable(point: DataPoint) -> str | None:
    """Why no value can be written to a point, whatever the allow-list says; None when it can."""
    if point.table not in WRITABLE_TABLES:
        return f"the {point.table.value} table is read only in Modbus; only coils and holding registers can be written"
    if point.device.unit_id == BROADCAST:
        return "unit 0 stands for all devices on a bus, and every one of them would take the value"
    if _switches_router_links(point):
        return "it switches a link of the router, and we may arrive by that link"
    try:
        check(point.encoding, point.table)
    except ValueError as error:
        return str(error)
    return None


def _switches_router_links(point: DataPoint) -> bool:
    if any(key in point.key.casefold() for key in ROUTER_LINK_KEYS):
        return True
    is_router = point.device.template.startswith(ROUTER_TEMPLATES) and point.table is Table.HOLDING
    return is_router and bool({*range(point.address, point.address + point.word_count)}.intersection(ROUTER_LINKS))


def value_for(point: DataPoint, value: Value) -> Value:
    """The value as the point takes it: text is read as a number where the point holds one.

    Raises ValueError, saying why, for a value that the point's type or its allow-list does not take.
    """
    if len(str(value)) > LONGEST_VALUE:
        raise ValueError(f"a value has {LONGEST_VALUE} characters at most")
    if point.data_type is DataType.STRING:
        return _text_for(point, str(value))
    number = _number(value) if isinstance(value, str) else value
    if isinstance(number, float) and not isfinite(number):
        raise ValueError(f"{number} is no value that can be written")
    if point.data_type is DataType.BIT and number not in (0, 1):
        raise ValueError(f"a bit is 0 or 1, not {number:.12g}")
    check_span(number, point.write_min, point.write_max)
    return int(number) if isinstance(number, bool) else number


def logged(value: Value) -> str:
    """A value as it is written down, whatever it is: its first characters."""
    try:
        return str(value)[:LONGEST_VALUE].encode(errors="replace").decode()
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return "a number of thousands of digits"


def check_span(number: float, low: float | None, high: float | None) -> None:
    """Raise ValueError for a number outside low <= number <= high; None is no limit."""
    if (low is not None and number < low) or (high is not None and number > high):
        raise ValueError(f"{number} can't be written here: only values{_span(low, high)} may be")


def _text_for(point: DataPoint, text: str) -> str:
    room = 2 * point.word_count
    if not text.isprintable() or len(text.encode()) > room or text.endswith(" "):
        raise ValueError(f"{text!r} is no text of {room} printable bytes at most that does not end in spaces")
    return text


def _number(text: str) -> float | int:
    """Only what people write: Python's own 1_000 and the digits of other scripts are no numbers here."""
    said = text.strip()
    if WHOLE_NUMBER.fullmatch(said):
        return int(said)
    if DECIMAL_NUMBER.fullmatch(said):
        return float(said)
    raise ValueError(f"{text!r} is no number like 21.5")


def _span(low: float | None, high: float | None) -> str:
    parts = [f" from {low:.12g}" if low is not None else "", f" up to {high:.12g}" if high is not None else ""]
    return "".join(parts)


def name_of(point: DataPoint) -> str:
    """A point as people know it, with its device."""
    return f'"{point.label}" of {point.device.name}'
