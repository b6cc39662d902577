"""What happens in the plant, as the events that browsers are told: names, channels and data."""

import json
import re
from collections.abc import Hashable, Mapping
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
class Event:
    """Something that happened and the channels whose readers are told; `data` is JSON-like."""

    name: str
    channels: tuple[str, ...]
    data: Mapping[str, Any]

    @property
    def merge_key(self) -> Hashable:
        """Events of one channel with the same key may be merged, the newest wins; None: never merged."""
        return self.data["reading"]["data_point_id"] if self.name == READING_NEW else None


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


def to_json(value: object) -> bytes:
    """JSON; NaN is written as null, and a lone surrogate, which is no valid UTF-8, as its \\u escape.

    Raises TypeError or ValueError for what JSON cannot say.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()


def from_json(text: bytes | str) -> Any:
    """The value of a JSON text, lone surrogates included; raises ValueError if it is none."""
    try:
        return orjson.loads(text)
    except ValueError:
        return json.loads(text)
