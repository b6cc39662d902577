"""A plant with as many points as the page "Live" is made for, each of which can be read when a test wants it."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from models.database import Database, to_ms
from models.device_template import new_device
from models.gateways import DataPoint, Gateway, Kind, Site, Status, configuration_changed, load_gateways
from models.readings import Quality, Sample, insert_settled, store
from models.schema import upgrade
from realtime.events import Event, reading_new
from settings import Settings
from tests.browser.server import WebServer

AREAS = ("Body shop", "Presses", "Utilities")
TEMPLATE = "eastron-sdm630"  # 38 points


@dataclass(frozen=True)
class Place:
    """A point with what its event says of it."""

    point: DataPoint
    gateway_id: int
    device: str


def value_at(point_id: int, at_ms: int) -> float:
    """What a point shows at a time; whoever asks, the same."""
    return round(500 + 10 * point_id + 40 * math.sin(at_ms / 20_000 + point_id) + (at_ms % 7919) / 1000, 3)


@dataclass
class GridPlant:
    """Gateways with meters of 38 points each behind them."""

    database: Database
    publish: Callable[[Sequence[Event]], None]
    period_s: float = 1.0
    gateways: int = 2
    meters: int = 1
    places: dict[int, Place] = field(default_factory=dict)

    def build(self) -> None:
        with self.database.write() as session:
            site = Site(name="Plant Nord", time_zone="Europe/Berlin", contract_power_w=None, is_simulated=True)
            session.add(site)
            for number in range(self.gateways):
                gateway = _gateway(site, number, self.period_s)
                session.add(gateway)
                gateway.devices = [
                    new_device(TEMPLATE, unit + 2, f"Meter {number + 1}.{unit + 1}") for unit in range(self.meters)
                ]
            configuration_changed(session)
        self.load()

    def load(self) -> None:
        with self.database.read() as session:
            self.places = {
                point.id: Place(point, gateway.id, device.name)
                for gateway in load_gateways(session)
                for device in gateway.devices
                for point in device.data_points
            }

    def point_ids(self, gateway_id: int | None = None) -> list[int]:
        return [key for key, place in self.places.items() if gateway_id in (None, place.gateway_id)]

    def seed(self, point_ids: Iterable[int], minutes: float, until: datetime) -> None:
        """History, straight into the store."""
        end_ms, step_ms = to_ms(until), round(self.period_s * 1000)
        times = range(end_ms - round(minutes * 60_000), end_ms, step_ms)
        insert_settled(self.database, [(key, at, value_at(key, at), 0) for key in point_ids for at in times])

    def read(self, at: datetime, point_ids: Iterable[int] | None = None, quality: Quality = Quality.GOOD) -> None:
        """These points are read, or all: stored first, then published."""
        at_ms = to_ms(at)
        chosen = self.point_ids() if point_ids is None else list(point_ids)
        value = None if quality is Quality.NOT_AVAILABLE else 0.0
        with self.database.write() as session:
            samples = [Sample(key, at_ms, None if value is None else value_at(key, at_ms), quality) for key in chosen]
            store(session, samples)
        self.publish(self.events(at, chosen, quality))

    def events(self, at: datetime, point_ids: Iterable[int], quality: Quality = Quality.GOOD) -> list[Event]:
        at_ms = to_ms(at)
        return [self._event(self.places[key], at_ms, quality) for key in point_ids]

    def say(self, at: datetime, point_id: int, text: str) -> None:
        """A text point speaks."""
        with self.database.write() as session:
            store(session, [Sample(point_id, to_ms(at), None, Quality.GOOD, text)])
        place = self.places[point_id]
        self.publish([_reading(place, text, int(Quality.GOOD), to_ms(at))])

    def make_text(self, point_id: int) -> None:
        """From now on the point is one of text."""
        with self.database.write() as session:
            session.get_one(DataPoint, point_id).kind = Kind.TEXT
            configuration_changed(session)
        self.load()

    def _event(self, place: Place, at_ms: int, quality: Quality) -> Event:
        value = None if quality is Quality.NOT_AVAILABLE else value_at(place.point.id, at_ms)
        return _reading(place, value, int(quality), at_ms)


def _gateway(site: Site, number: int, period_s: float) -> Gateway:
    return Gateway(
        site=site,
        name=f"Gateway {number + 1}",
        area=AREAS[number % len(AREAS)],
        host=f"10.0.0.{number + 1}",
        poll_interval_s=period_s,
        status=Status.ONLINE,
        status_since_at=datetime.now(UTC) - timedelta(hours=5),
        last_success_at=datetime.now(UTC),
    )


def _reading(place: Place, value: float | str | None, quality: int, at_ms: int) -> Event:
    return reading_new(
        data_point_id=place.point.id,
        gateway_id=place.gateway_id,
        group_name=place.device,
        label=place.point.label,
        unit=place.point.unit,
        value=value,
        quality=quality,
        read_at_ms=at_ms,
    )


@dataclass
class GridApp:
    """The web server and the plant behind it."""

    web: WebServer
    plant: GridPlant
    database: Database

    @property
    def url(self) -> str:
        return f"{self.web.url}live"


@contextmanager
def start_grid_app(
    folder: Path, *, gateways: int = 2, meters: int = 1, period_s: float = 1.0, needs_sign_in: bool = False
) -> Iterator[GridApp]:
    """A web server before a plant that nobody reads yet."""
    settings = Settings.load(
        database_url=f"sqlite:///{folder}/monitor.db", data_folder=folder, secret_key="k" * 40, _env_file=None
    )
    database = Database(settings.database_url)
    upgrade(database)
    web = WebServer(database, settings, needs_sign_in=needs_sign_in)
    web.start()
    plant = GridPlant(
        database, lambda events: web.hub.publish(events), period_s=period_s, gateways=gateways, meters=meters
    )
    plant.build()
    yield GridApp(web, plant, database)
    web.stop()
    database.close()
