"""What happens in the plant, as the events that browsers are told: names, channels and data."""

import json
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from math import isfinite
from typing import Any

import orjson

READING_NEW = "reading.new"
GATEWAY_STATUS_CHANGED = "gateway.status-changed"
EVENTS_LOST = "events.lost"

READINGS = "readings"
GATEWAYS = "gateways"
_GATEWAY = re.compile(r"gateway\.([1-9][0-9]{0,17})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Numbering:
    """Where an event stands among those of its channels, as a broker that several processes share has counted them.

    offsets: for each channel of the event. serial: the same whenever the same event comes again, and of no other.
    """

    epoch: str
    offsets: tuple[int, ...]
    serial: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened and the channels whose readers are told; `data` is JSON-like.

    A str as data was published by another program over the Pusher protocol: it is passed on as it is, to clients of
    that protocol only, so that nothing but what was measured ever gets into our pages.
    except_socket: the Pusher socket that is not told, since it said so itself. sender: the id of the user who did.
    numbering: None until a shared broker has numbered the event; with memory:// the hub does.
    An event without channels is a word from hub to hub, named `hub.*`, or `events.lost`.
    """

    name: str
    channels: tuple[str, ...]
    data: Mapping[str, Any] | str
    except_socket: str | None = None
    sender: str | None = None
    numbering: Numbering | None = None

    @property
    def is_foreign(self) -> bool:
        """Whether another program published it."""
        return isinstance(self.data, str)

    @property
    def facts(self) -> Mapping[str, Any]:
        """The data of an event of our own."""
        return {} if isinstance(self.data, str) else self.data

    @property
    def merge_key(self) -> Hashable:
        """Events of one channel with the same key may be merged, the newest wins; None: never merged."""
        if self.name != READING_NEW or self.is_foreign:
            return None
        key: Hashable = self.facts["reading"]["data_point_id"]
        return key

    @property
    def gateway_id(self) -> int | None:
        """Whose event it is; None: no gateway's, or not known."""
        return next((found for channel in self.channels if (found := gateway_of(channel)) is not None), None)


def gateway_channel(gateway_id: int) -> str:
    """The channel with everything of one gateway."""
    return f"gateway.{gateway_id}"


def gateway_of(channel: str) -> int | None:
    """The gateway whose channel this is; None if it is no gateway's channel."""
    match = _GATEWAY.fullmatch(channel)
    return int(match[1]) if match else None


def is_channel(name: str) -> bool:
    """Whether a channel of this name can exist: `readings`, `gateways` or `gateway.{id}`."""
    return name in (READINGS, GATEWAYS) or gateway_of(name) is not None


def iso_time(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds: 2026-03-04T05:06:07.089Z. `at` is aware."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def reading_new(
    *,
    data_point_id: int,
    gateway_id: int,
    group_name: str,
    label: str,
    unit: str,
    value: float | str | None,
    quality: int,
    read_at_ms: int,
) -> Event:
    """A value was read and stored.

    group_name: the device's name. value: in `unit`; text for a text point; None (and NaN, infinities): no value.
    read_at_ms: UTC milliseconds since 1970; with the point it makes the reading's stable id.
    """
    reading = {
        "id": f"{data_point_id}-{read_at_ms}",
        "data_point_id": data_point_id,
        "scaled_value": None if isinstance(value, float) and not isfinite(value) else value,
        "quality": int(quality),
        "read_at": _iso_time_of(read_at_ms),
        "data_point": {
            "id": data_point_id,
            "gateway_id": gateway_id,
            "group_name": group_name,
            "label": label,
            "unit": unit,
        },
    }
    return Event(READING_NEW, _reading_channels(gateway_id), {"reading": reading})


@lru_cache(1024)  # the readings of one block share their time, those of one poll their gateway
def _iso_time_of(at_ms: int) -> str:
    second, ms = divmod(at_ms, 1000)
    return f"{datetime.fromtimestamp(second, UTC).isoformat().removesuffix('+00:00')}.{ms:03d}Z"


@lru_cache(4096)
def _reading_channels(gateway_id: int) -> tuple[str, str]:
    return READINGS, gateway_channel(gateway_id)


def gateway_status_changed(
    *,
    gateway_id: int,
    name: str,
    ip_address: str,
    port: int,
    is_active: bool,
    last_seen_at: datetime | None,
    success_count: int,
    failure_count: int,
    previous: str,
    current: str,
    changed_at: datetime,
    reason: str,
) -> Event:
    """A gateway's status went from `previous` to `current`, for `reason` in words; times are aware."""
    gateway = {
        "id": gateway_id,
        "name": name,
        "ip_address": ip_address,
        "port": port,
        "is_active": is_active,
        "last_seen_at": None if last_seen_at is None else iso_time(last_seen_at),
        "success_count": success_count,
        "failure_count": failure_count,
    }
    change = {"previous": str(previous), "current": str(current), "timestamp": iso_time(changed_at)}
    data = {"gateway": gateway, "status_change": change, "reason": reason}
    return Event(GATEWAY_STATUS_CHANGED, (GATEWAYS, gateway_channel(gateway_id)), data)


def events_lost(count: int) -> Event:
    """So many events were dropped on their way to the hub; readers get it after a jump in the offsets and catch up."""
    return Event(EVENTS_LOST, (), {"count": count})


def pack(event: Event) -> list[Any]:
    """An event as JSON-like data, for its way to another process; `unpack` makes it one again."""
    rest = {
        "except_socket": event.except_socket,
        "sender": event.sender,
        "numbering": event.numbering and [event.numbering.epoch, event.numbering.offsets, event.numbering.serial],
    }
    said = {name: value for name, value in rest.items() if value is not None}
    return [event.name, event.channels, event.data, *([said] if said else [])]


def unpack(packed: Sequence[Any]) -> Event:
    """Raises ValueError or TypeError for what is no packed event."""
    name, channels, data, *rest = packed
    said = rest[0] if rest else {}
    numbering = said.get("numbering")
    return Event(
        name,
        tuple(channels),
        data,
        said.get("except_socket"),
        said.get("sender"),
        numbering and Numbering(numbering[0], tuple(numbering[1]), numbering[2]),
    )


def to_json(value: object) -> bytes:
    """JSON; NaN is written as null, and a lone surrogate, which is no valid UTF-8, as its \\u escape.

    Raises TypeError or ValueError for what JSON cannot say.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()


def from_json(text: bytes | str) -> Any:
    """The value of a JSON text, lone surrogates included; raises ValueError if it is none, or nested too deep."""
    try:
        return orjson.loads(text)
    except ValueError:
        pass
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _refuse_constant(name: str) -> float:
    """Python's own reader takes NaN and Infinity for numbers, which JSON does not know."""
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text} is out of range")
    return number
