"""Energy and demand of a site: what its meters counted since midnight, and the mean power of the last minutes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from models.database import Database, from_ms, to_ms
from models.energy_comparison import span_weights
from models.energy_meters import Flow, Meter, kwh_per_unit, meters_of
from models.energy_periods import pooled
from models.energy_quarters import Quarters, quarters_of
from models.gateways import DataPoint, Device, Gateway, Quantity, Site
from models.reading_tables import reading_all
from models.readings import Quality, readings_between
from models.rollup_tables import QUARTER_MS, Mark

if TYPE_CHECKING:  # pandas takes 35 MB, and the poller has no use for it
    import pandas as pd

NEAR = timedelta(minutes=15)  # what is known from so soon after midnight on is known of the whole day
HOLDS_INTERVALS = 3
NORMAL_SPAN = timedelta(days=7)
FEWEST_BUCKETS = 24  # of 15 minutes: a normal range out of less than six hours would mislead


@dataclass(frozen=True, slots=True)
class EnergyToday:
    """What the meters counted since local midnight, as far as it is known.

    A meter is counted when anything is known of its day; the others are missing from the sum.
    yesterday_by_now_kwh: the same meters from yesterday's midnight until the same time by the clock, None when a part
    of that is not known of one of them.
    since_at: None, or since when all of the counted meters are known, if that was long after midnight.
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
    """What the site drew since local midnight, beside yesterday until the same time: see `energy_meters.meters_of`."""
    zone = ZoneInfo(site.time_zone)
    midnight, _ = local_day(now, zone)
    meters = meters_of(session, site, Flow.IMPORT)
    today = quarters_of(session, kwh_per_unit(meters), midnight, now, now)
    is_known = (today.marks < Mark.MISSING) | (today.amounts > 0)
    counted = [meters[row] for row in np.unique(np.nonzero(is_known)[0])]
    if not counted:
        return EnergyToday(None, 0, len(meters), None)
    first = int(is_known[is_known.any(axis=1)].argmax(axis=1).max())
    since_at = from_ms(today.start_ms + first * QUARTER_MS)
    if since_at > midnight + NEAR:
        return EnergyToday(_sum_kwh(today, midnight, now), len(counted), len(meters), None, since_at)
    yesterday_kwh = _yesterday_kwh(session, counted, now, zone)
    return EnergyToday(_sum_kwh(today, midnight, now), len(counted), len(meters), yesterday_kwh)


def _sum_kwh(quarters: Quarters, start_at: datetime, end_at: datetime) -> float | None:
    return pooled(quarters, span_weights(quarters, start_at, end_at)).energy_kwh


def _yesterday_kwh(session: Session, meters: Sequence[Meter], now: datetime, zone: ZoneInfo) -> float | None:
    by_now = a_day_earlier(now, zone)
    midnight, _ = local_day(by_now, zone)
    quarters = quarters_of(session, kwh_per_unit(meters), midnight, by_now, now)
    return None if (quarters.marks == Mark.MISSING).any() else _sum_kwh(quarters, midnight, by_now)


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
    bucket = readings.read_at // QUARTER_MS
    statement = (
        select(bucket.label("bucket"), readings.data_point_id, func.avg(readings.value).label("mean_w"))
        .where(readings.data_point_id.in_(points), readings.quality == Quality.GOOD)
        .where(readings.read_at >= to_ms(now - NORMAL_SPAN), readings.read_at < to_ms(now) // QUARTER_MS * QUARTER_MS)
        .group_by(readings.data_point_id, bucket)
    )
    means = statement.subquery()
    sums = select(func.sum(means.c.mean_w)).group_by(means.c.bucket).having(func.count() == len(points))
    whole = session.scalars(sums).all()
    if len(whole) < FEWEST_BUCKETS:
        return None, None
    low_w, high_w = np.percentile(np.array(whole, float), [5, 95])
    return float(low_w), float(high_w)
