"""The meters whose readings the benchmarks of the store and of history are about, and what those show."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from models.database import Database
from models.device_template import new_device
from models.gateways import Gateway, Kind, Site, configuration_changed, load_gateways

MODEL = "eastron-sdm120"
TIME_ZONE = "Europe/Berlin"
METERS_PER_GATEWAY = 10
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
COUNTED_KW = 8.0  # what a counter counts on average
BEGAN_H = 479_992.5  # since 1970, when counters showed next to nothing
USUAL = {"voltage_l1": 230.0, "current_l1": 40.0, "reactive_power": 900.0, "apparent_power": 9_200.0, "frequency": 50.0}

Numbers = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Channel:
    """One point of a meter. group: what its meters are called. key: what it measures, of the model's template."""

    id: int
    group: str
    key: str
    is_counter: bool


def add_site(session: Session) -> Site:
    """A plant without gateways yet."""
    site = Site(name="Plant West", time_zone=TIME_ZONE, contract_power_w=1_000_000, is_simulated=True)
    session.add(site)
    configuration_changed(session)
    return site


def add_meters(site: Site, name: str, count: int, keys: Collection[str], interval_s: float) -> None:
    """Meters with these points only, behind gateways of ten that are polled so often."""
    for first in range(0, count, METERS_PER_GATEWAY):
        port = 502 + len(site.gateways)
        number = first // METERS_PER_GATEWAY + 1
        gateway = Gateway(name=f"{name} {number}", host="127.0.0.1", port=port, poll_interval_s=interval_s)
        site.gateways.append(gateway)
        for meter in range(first, min(first + METERS_PER_GATEWAY, count)):
            device = new_device(MODEL, meter - first + 2, f"{name} meter {meter + 1}")
            device.data_points = [point for point in device.data_points if point.key in keys]
            gateway.devices.append(device)


def channels(database: Database) -> list[Channel]:
    """The points of all meters, by gateway and meter, then in the template's order."""
    with database.read() as session:
        gateways = load_gateways(session)
    return [
        Channel(point.id, gateway.name.rpartition(" ")[0], point.key, point.kind is Kind.COUNTER)
        for gateway in gateways
        for device in gateway.devices
        for point in device.data_points
    ]


def shown(channel: Channel, times_ms: Integers) -> Numbers:
    """What a point shows at these times (ms): the same whoever asks; as fine as such meters show it."""
    phase = times_ms % DAY_MS / DAY_MS * 2 * np.pi + channel.id
    if channel.is_counter:
        values = COUNTED_KW * (times_ms / HOUR_MS - BEGAN_H - 24 / 1.5 / (2 * np.pi) * np.cos(phase))  # never backwards
    elif channel.key == "active_power":
        values = 8_000 + 4_000 * np.sin(phase) + 1_500 * np.sin(17 * phase) + 400 * _noise(times_ms, channel)
    else:
        values = USUAL.get(channel.key, 1.0) * (1 + 0.02 * np.sin(phase) + 0.01 * _noise(times_ms, channel))
    return np.asarray(np.round(values, 1 if channel.key == "active_power" else 2), np.float64)


def _noise(times_ms: Integers, channel: Channel) -> Numbers:
    """-1 to 1, at the same time always the same (a round of splitmix64)."""
    mixed = (times_ms + 7919 * channel.id).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    return np.asarray((mixed >> np.uint64(11)).astype(np.float64) / 2**52 - 1)
