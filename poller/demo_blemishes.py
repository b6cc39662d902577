"""What went wrong in the demo's past, so that charts and sums have something to be honest about."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from models.database import from_ms, to_ms
from models.events import EventKind, Severity, log_event
from models.gateways import DataPoint, Device, Gateway, Quantity, Status
from poller.demo_plant import GATEWAYS, READ_OUT_AT

AWAY = "Canteen"  # the gateway that was not to be reached ...
AWAY_DAYS_AGO, AWAY_FROM, AWAY_FOR = 9, time(10, 7), timedelta(hours=2)
ZERO = "Press B1"  # the meter that said zero, once
ZERO_DAYS_AGO, ZERO_AT = 17, time(3, 15)
READ_OUT = {
    (gateway.name, meter.name): meter.read_out_on
    for gateway in GATEWAYS
    for meter in gateway.meters
    if meter.read_out_on is not None
}


class Blemishes:
    """When things went wrong, seen from the first start."""

    def __init__(self, zone: ZoneInfo, now: datetime) -> None:
        self._zone = zone
        self._now = now
        self.away_from_ms = self._ms(AWAY_DAYS_AGO, AWAY_FROM)
        self.away_until_ms = self.away_from_ms + AWAY_FOR // timedelta(milliseconds=1)
        self.zero_ms = self._ms(ZERO_DAYS_AGO, ZERO_AT)

    def _ms(self, days_ago: int, at: time) -> int:
        on = self._now.astimezone(self._zone).date() - timedelta(days=days_ago)
        return to_ms(datetime.combine(on, at, self._zone))

    def heard(self, gateway: str, times_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """The times at which a gateway answered."""
        if gateway != AWAY:
            return times_ms
        return times_ms[(times_ms < self.away_from_ms) | (times_ms >= self.away_until_ms)]

    def spoil(self, device: Device, point: DataPoint, times_ms: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Put the zero into the values of the point that said it."""
        if device.name == ZERO and point.quantity is Quantity.ENERGY_IMPORT:
            values[times_ms == self.zero_ms] = 0.0

    def log(self, session: Session, gateways: Iterable[Gateway]) -> None:
        """Write down what the event log would tell."""
        for gateway in gateways:
            if gateway.name == AWAY:
                self._log_away(session, gateway)
            for device in gateway.devices:
                day = READ_OUT.get((gateway.name, device.name))
                for point in device.data_points if day is not None else ():
                    if point.quantity is Quantity.ENERGY_IMPORT:
                        self._log_reset(session, gateway, device, point, day or 0)

    def _log_away(self, session: Session, gateway: Gateway) -> None:
        address = f"{gateway.host}:{gateway.port}"
        for at_ms, before, after, severity, reason in (
            (self.away_from_ms, Status.ONLINE, Status.OFFLINE, Severity.HIGH, f"no answer from {address} in 10 s"),
            (self.away_until_ms, Status.OFFLINE, Status.ONLINE, Severity.INFO, "answers again after 2 h"),
        ):
            log_event(
                session,
                at=from_ms(at_ms),
                kind=EventKind.GATEWAY_STATUS_CHANGED,
                severity=severity,
                gateway_id=gateway.id,
                text=f"{before.value} → {after.value}",
                reason=reason,
            )

    def _log_reset(self, session: Session, gateway: Gateway, device: Device, point: DataPoint, day: int) -> None:
        log_event(
            session,
            at=self.last_read_out(day),
            kind=EventKind.COUNTER_WENT_BACK,
            severity=Severity.LOW,
            gateway_id=gateway.id,
            device_id=device.id,
            data_point_id=point.id,
            text=f"{device.name}: {point.label} went back",
            reason="the meter was read out and set to zero",
        )

    def last_read_out(self, day: int) -> datetime:
        """When a meter that is read out on this day of the month was read out last."""
        wall = self._now.astimezone(self._zone)
        read_out = datetime.combine(wall.date().replace(day=day), READ_OUT_AT, self._zone)
        if read_out > self._now:
            month_before = read_out.replace(day=1) - timedelta(days=1)
            read_out = datetime.combine(month_before.date().replace(day=day), READ_OUT_AT, self._zone)
        return from_ms(to_ms(read_out))
