"""A plant whose energy is known beforehand: some weeks of counters, with a gap, an outage and a clock change."""

import math
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from models.database import Database, to_ms
from models.device_template import new_device
from models.gateways import Gateway, Kind, Quantity, Site, configuration_changed, load_gateways
from models.readings import Quality, insert_settled
from models.rollups import advance

BERLIN = ZoneInfo("Europe/Berlin")
STEP_MS = 900_000
NAMES = ("Paint shop", "Press line A", "Press line B", "Compressors")
AREAS = ("Body shop", "Presses", "Presses", "Utilities")


def power_kw(number: int, at_ms: int) -> float:
    """What a meter's load draws at a time: two shifts on weekdays, a base load always."""
    at = datetime.fromtimestamp(at_ms / 1000, BERLIN)
    hour = at.hour + at.minute / 60
    is_shift = at.weekday() < 5 and 5.75 <= hour < 22
    wave = 1 + 0.18 * math.sin(at_ms / 2.1e7 + number) + 0.1 * math.sin(at_ms / 3.7e6 + 3 * number)
    return (6 + 1.5 * number + (32 + 4 * number if is_shift else 0)) * wave


def build_energy_plant(
    database: Database,
    first: date,
    until: datetime,
    *,
    meters: tuple[int, ...] = (2, 2, 1, 2),
    contract_power_w: float | None = 330_000,
    gap: tuple[datetime, datetime] | None = None,
    outage_from: datetime | None = None,
) -> None:
    """Gateways with meters that are read every quarter of an hour from a local day on.

    gap: no meter of the first gateway is read in it, but its counters go on. outage_from: from then on the last meter
    says nothing.
    """
    with database.write() as session:
        site = Site(name="Plant Nord", time_zone=BERLIN.key, contract_power_w=contract_power_w, is_simulated=True)
        session.add(site)
        for number, count in enumerate(meters):
            gateway = Gateway(
                site=site, name=NAMES[number], area=AREAS[number], host=f"10.0.1.{number + 1}", poll_interval_s=900.0
            )
            session.add(gateway)
            gateway.devices = [new_device("eastron-sdm120", unit + 2, f"Meter {unit + 1}") for unit in range(count)]
            for device in gateway.devices:
                device.rated_power_w = 200_000
        configuration_changed(session)
    with database.read() as session:
        points = [
            (gateway.id, point.id)
            for gateway in load_gateways(session)
            for device in gateway.devices
            for point in device.data_points
            if point.quantity is Quantity.ENERGY_IMPORT and point.kind is Kind.COUNTER
        ]
    start_ms, end_ms = to_ms(datetime(first.year, first.month, first.day, tzinfo=BERLIN).astimezone(UTC)), to_ms(until)
    for number, (gateway_id, point) in enumerate(points):
        silent = _silence(gateway_id, number == len(points) - 1, gap, outage_from)
        insert_settled(database, _rows(number, point, start_ms, end_ms, silent), alone=True)
    advance(database, until + timedelta(minutes=2))


def _silence(
    gateway_id: int, is_last: bool, gap: tuple[datetime, datetime] | None, outage_from: datetime | None
) -> tuple[int, int]:
    if is_last and outage_from is not None:
        return to_ms(outage_from), 2**60
    return (to_ms(gap[0]), to_ms(gap[1])) if gap is not None and gateway_id == 1 else (0, 0)


def _rows(
    number: int, point: int, start_ms: int, end_ms: int, silent: tuple[int, int]
) -> list[tuple[int, int, float, int]]:
    rows = []
    counted_kwh = 1000.0 * (number + 1)
    for at_ms in range(start_ms, end_ms + 1, STEP_MS):
        if not silent[0] < at_ms < silent[1]:
            rows.append((point, at_ms, round(counted_kwh, 2), int(Quality.GOOD)))
        counted_kwh += power_kw(number, at_ms) * STEP_MS / 3_600_000
    return rows
