"""Energy and demand of a site: what its meters counted since midnight, and the mean power of the last minutes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from models.database import Database, from_ms, to_ms
from models.events import counter_drops
from models.gateways import DataPoint, Device, Gateway, Quantity, Site
from models.reading_tables import reading_all
from models.readings import Quality, latest, readings_between

if TYPE_CHECKING:  # pandas takes 35 MB, and the poller has no use for it
    import pandas as pd

Counts: TypeAlias = dict[int, tuple[int, float]]  # by point: when (ms since 1970) and how much its counter said

NEAR = timedelta(minutes=15)  # a reading so close to a moment stands for it
HOLDS_INTERVALS = 3
BUCKET_MS = 900_000
NORMAL_SPAN = timedelta(days=7)
FEWEST_BUCKETS = 24  # of 15 minutes: a normal range out of less than six hours would mislead


@dataclass(frozen=True, slots=True)
class EnergyToday:
    """What the meters counted since local midnight.

    A meter is counted when it was read today and its counter did not go back; the others are missing from the sum.
    yesterday_by_now_kwh: the same meters from yesterday's midnight until the same time by the clock, None when one of
    them has no reading near one of the two.
    since_at: None, or when the last of the counted meters was first read, if that was long after midnight.
    """

    energy_kwh: float | None
    meters_counted: int
    meters: int
    yesterday_by_now_kwh: float | None
    since_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Demand:
    """Mean power over a span, and the share of the span, over all meters, in which it is known."""

    power_w: float | None
    coverage: float


def local_day(at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The first moment of the local day around a time, and of the next one; 23 to 25 hours apart."""
    today = at.astimezone(zone).date()
    start_at, end_at = (datetime.combine(day, time.min, zone) for day in (today, today + timedelta(days=1)))
    return start_at.astimezone(UTC), end_at.astimezone(UTC)


def a_day_earlier(at: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which the clock on the wall said the same the day before."""
    return (at.astimezone(zone) - timedelta(days=1)).astimezone(UTC)


def energy_today(session: Session, site: Site, now: datetime) -> EnergyToday:
    """What the site's meters counted since local midnight, beside yesterday's until the same time."""
    zone = ZoneInfo(site.time_zone)
    midnight, _ = local_day(now, zone)
    meters = _points_of(session, site, Quantity.ENERGY_IMPORT)
    first = _at_midnight(session, meters, midnight, now)
    counted = increases(first, _now(session, meters, midnight, now), counter_drops(session, midnight, now))
    if not counted:
        return EnergyToday(None, 0, len(meters), None)
    first_at = from_ms(max(first[point][0] for point in counted))
    since_at = first_at if first_at > midnight + NEAR else None
    yesterday_kwh = _yesterday_kwh(session, counted, now, zone) if since_at is None else None
    return EnergyToday(sum(counted.values()), len(counted), len(meters), yesterday_kwh, since_at)


def increases(first: Counts, last: Counts, dropped: Collection[int]) -> dict[int, float]:
    """How far each counter rose; not among them are those without both readings and those that went back."""
    rose = {point: last[point][1] - first[point][1] for point in first if point in last and point not in dropped}
    return {point: energy_kwh for point, energy_kwh in rose.items() if energy_kwh >= 0}


def _yesterday_kwh(session: Session, meters: Collection[int], now: datetime, zone: ZoneInfo) -> float | None:
    by_now = a_day_earlier(now, zone)
    midnight, _ = local_day(by_now, zone)
    first, last = (_good_reading(session, meters, at - NEAR, at, newest=True) for at in (midnight, by_now))
    rose = increases(first, last, counter_drops(session, midnight, by_now))
    return sum(rose.values()) if len(rose) == len(meters) else None


def _at_midnight(session: Session, meters: Collection[int], midnight: datetime, now: datetime) -> Counts:
    """What each counter said at midnight: the last reading shortly before, else the first one after."""
    before = _good_reading(session, meters, midnight - NEAR, midnight, newest=True)
    missing = [point for point in meters if point not in before]
    return before | _good_reading(session, missing, midnight, now, newest=False)


def _now(session: Session, meters: Collection[int], midnight: datetime, now: datetime) -> Counts:
    """What each counter said last since midnight."""
    newest = {
        row.data_point_id: (row.read_at_ms, row.value)
        for row in latest(session, meters)
        if row.quality == Quality.GOOD and row.value is not None and to_ms(midnight) < row.read_at_ms <= to_ms(now)
    }
    missing = [point for point in meters if point not in newest]
    return newest | _good_reading(session, missing, midnight, now, newest=True)


def _good_reading(
    session: Session, points: Collection[int], after: datetime, until: datetime, *, newest: bool
) -> Counts:
    """The newest or oldest good reading of each point in after < t <= until: one look into an index each."""
    searched, found = reading_all.alias("searched").c, reading_all.alias("found").c
    at = (
        select(searched.read_at)
        .where(searched.data_point_id == DataPoint.id, searched.quality == Quality.GOOD, searched.value.is_not(None))
        .where(searched.read_at > to_ms(after), searched.read_at <= to_ms(until))
        .order_by(searched.read_at.desc() if newest else searched.read_at)
        .limit(1)
        .correlate(DataPoint)
        .scalar_subquery()
    )
    value = select(found.value).where(found.data_point_id == DataPoint.id, found.read_at == at).scalar_subquery()
    rows = session.execute(select(DataPoint.id, at, value).where(DataPoint.id.in_(points)))
    return {point: (at_ms, value) for point, at_ms, value in rows if at_ms is not None}


def _points_of(session: Session, site: Site, quantity: Quantity) -> dict[int, float]:
    """The enabled points of the site that measure a quantity, with their poll intervals (s)."""
    statement = (
        select(DataPoint.id, Gateway.poll_interval_s)
        .join(DataPoint.device)
        .join(Device.gateway)
        .where(Gateway.site_id == site.id, DataPoint.quantity == quantity, DataPoint.enabled)
    )
    return dict(session.execute(statement).all())


def demand(session: Session, site: Site, now: datetime, minutes: int = 15) -> Demand:
    """The mean over the last minutes of the power of all meters together, each weighted by the time it held.

    A reading holds until the next one, for three poll intervals at most; "no value" and suspect ones hold not at all.
    """
    points = _points_of(session, site, Quantity.ACTIVE_POWER)
    if not points:
        return Demand(None, 0.0)
    start_at = now - timedelta(minutes=minutes)
    holds_ms = {point: HOLDS_INTERVALS * round(1000 * interval_s) for point, interval_s in points.items()}
    from_at = start_at - timedelta(milliseconds=max(holds_ms.values()))
    frame = readings_between(session, points, from_at, now)
    return mean_power(frame, holds_ms, to_ms(start_at), to_ms(now))


def mean_power(frame: "pd.DataFrame", holds_ms: Mapping[int, int], start_ms: int, end_ms: int) -> Demand:
    """The demand in start <= t < end; frame: as of `readings_between`, with readings from shortly before the start."""
    import pandas as pd

    at, value = frame["read_at_ms"], frame["value"]
    following = frame.groupby("data_point_id")["read_at_ms"].shift(-1).fillna(end_ms)
    until = following.clip(upper=at + frame["data_point_id"].map(holds_ms))
    held_ms = (until - at.clip(lower=start_ms)).clip(lower=0)
    held_ms = held_ms.where((frame["quality"] == Quality.GOOD) & value.notna(), 0)
    held = pd.DataFrame({"ms": held_ms, "watt_ms": held_ms * value.fillna(0)}).groupby(frame["data_point_id"]).sum()
    held = held[held["ms"] > 0]
    coverage = float(held["ms"].sum()) / (len(holds_ms) * (end_ms - start_ms))
    return Demand(None if held.empty else float((held["watt_ms"] / held["ms"]).sum()), coverage)


def refresh_normal_ranges(database: Database, now: datetime) -> None:
    """Give each gateway the 5th and 95th percentile of its power over the last 7 days, of means over 15 minutes.

    Only spans in which all its meters were read count; a gateway with less than six hours of them has no normal range.
    """
    with database.read() as session:
        gateways = session.scalars(select(Gateway.id)).all()
    for gateway in gateways:
        with database.read() as session:
            low_w, high_w = _normal_range(session, _power_points_of(session, gateway), now)
        with database.write() as session:
            changed = update(Gateway).where(Gateway.id == gateway).values(normal_low_w=low_w, normal_high_w=high_w)
            session.execute(changed)


def _power_points_of(session: Session, gateway_id: int) -> Sequence[int]:
    statement = select(DataPoint.id).join(DataPoint.device).where(Device.gateway_id == gateway_id)
    return session.scalars(statement.where(DataPoint.quantity == Quantity.ACTIVE_POWER, DataPoint.enabled)).all()


def _normal_range(session: Session, points: Sequence[int], now: datetime) -> tuple[float | None, float | None]:
    readings = reading_all.c
    bucket = readings.read_at // BUCKET_MS
    statement = (
        select(bucket.label("bucket"), readings.data_point_id, func.avg(readings.value).label("mean_w"))
        .where(readings.data_point_id.in_(points), readings.quality == Quality.GOOD)
        .where(readings.read_at >= to_ms(now - NORMAL_SPAN), readings.read_at < to_ms(now) // BUCKET_MS * BUCKET_MS)
        .group_by(readings.data_point_id, bucket)
    )
    means = statement.subquery()
    sums = select(func.sum(means.c.mean_w)).group_by(means.c.bucket).having(func.count() == len(points))
    whole = session.scalars(sums).all()
    if len(whole) < FEWEST_BUCKETS:
        return None, None
    low_w, high_w = np.percentile(np.array(whole, float), [5, 95])
    return float(low_w), float(high_w)
