"""How much mobile data polling takes: by plan, as measured, and as the router itself counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from models.database import from_ms, to_ms
from models.gateways import DataPoint, Device, Gateway
from models.packet_cost import PLAIN, PacketCost, Traffic, megabytes, over_budget
from models.polls import PollRow
from models.readings import Quality, readings_between
from models.series import Numbers

# RutOS calls its unit KB; that it is 1,024 bytes is not written anywhere, and makes 2 % at most.
ROUTER_KB = 1024
TELLING = timedelta(hours=1)  # a router refreshes its counters every now and then
SURELY_MORE = 1.1  # the router counts by other moments than we do
ROUTER_COUNTERS = (  # by preference: received and sent, found in the keys of the router's points
    ("data_received_today", "data_sent_today"),
    ("data_received_this_month", "data_sent_this_month"),
)


@dataclass(frozen=True, slots=True)
class DataUsage:
    """What polling one gateway costs; None is what is not known.

    polls_weighed, polls_expected: how much of the time the measurement covers.
    sims: how many SIMs the router's count is of.
    """

    planned_bytes_per_month: float | None
    measured: Traffic | None
    counted: Traffic | None
    polls_weighed: int
    polls_expected: int
    sims: int
    budget_mb: float | None

    def words(self) -> list[str]:
        """One sentence for each thing that is known, or that is not."""
        sentences = [self._planned(), self._measured(), self._counted(), self._compared(), self.warning()]
        return [sentence for sentence in sentences if sentence]

    def warning(self) -> str | None:
        """What is above the budget; None when nothing is, or when there is none."""
        measured = self.measured.bytes_per_month if self.measured else None
        return over_budget(self.planned_bytes_per_month, self.budget_mb) or over_budget(measured, self.budget_mb)

    def _planned(self) -> str:
        if self.planned_bytes_per_month is None:
            return "by plan: not known"
        budget = f" of {self.budget_mb:g} MB allowed" if self.budget_mb is not None else ""
        return f"by plan: about {megabytes(self.planned_bytes_per_month)} a month{budget}"

    def _measured(self) -> str:
        if self.measured is None:
            return "measured: nothing, no poll was weighed in this time"
        return f"measured: {self.measured.words} ({self.polls_weighed:,} of {self.polls_expected:,} polls)"

    def _counted(self) -> str:
        if self.counted is None:
            return "the router's own counters: not read in this time"
        whose = "its SIM" if self.sims == 1 else f"its {self.sims} SIMs"
        return f"the router counted, all traffic of {whose}: {self.counted.words}"

    def _compared(self) -> str | None:
        if self.measured is None or self.counted is None or self.counted.span < TELLING:
            return None
        ours, whole = self.measured.bytes_per_month, self.counted.bytes_per_month
        if ours > SURELY_MORE * whole:
            return "that is less than polling alone: its data unit may not be KB, or we do not arrive by its SIM"
        return f"polling makes {100 * ours / whole:.0f} % of it"


def data_usage(
    session: Session,
    gateway: Gateway,
    start_at: datetime,
    end_at: datetime,
    planned_bytes_per_month: float | None,
    cost: PacketCost = PLAIN,
) -> DataUsage:
    """What polling a gateway cost in start_at <= t < end_at, beside the plan and the router's own counters."""
    measured, polls = _measured(session, gateway, start_at, end_at, cost)
    counted, sims = _counted(session, gateway, start_at, end_at)
    return DataUsage(
        planned_bytes_per_month=planned_bytes_per_month,
        measured=measured,
        counted=counted,
        polls_weighed=polls,
        polls_expected=round((end_at - start_at).total_seconds() / gateway.poll_interval_s),
        sims=sims,
        budget_mb=gateway.data_budget_mb,
    )


def _measured(
    session: Session, gateway: Gateway, start_at: datetime, end_at: datetime, cost: PacketCost
) -> tuple[Traffic | None, int]:
    """What the frames of the polls weighed, and how many polls; polls that nobody weighed have readings alone."""
    frames, requests, polls, first_ms, last_ms = session.execute(
        select(
            func.sum(PollRow.byte_count),
            func.sum(PollRow.request_count),
            func.count(),
            func.min(PollRow.started_at_ms),
            func.max(PollRow.started_at_ms),
        ).where(
            PollRow.gateway_id == gateway.id,
            PollRow.started_at_ms >= to_ms(start_at),
            PollRow.started_at_ms < to_ms(end_at),
            or_(PollRow.request_count > 0, PollRow.reading_count == 0),
        )
    ).one()
    if not requests:
        return None, 0
    link_bytes = cost.on_the_wire(float(frames), float(requests))
    link_bytes += polls * cost.reconnect_bytes if gateway.release_socket else 0
    span = from_ms(last_ms) - from_ms(first_ms) + timedelta(seconds=gateway.poll_interval_s)
    return Traffic(link_bytes, span), int(polls)


def _counted(session: Session, gateway: Gateway, start_at: datetime, end_at: datetime) -> tuple[Traffic | None, int]:
    """What the router's counters grew by, over all its SIMs, and how many these are."""
    for keys in ROUTER_COUNTERS:
        points = _counters(session, gateway, keys)
        grown = _growths(session, points, start_at, end_at)
        sims = _complete(points, grown)
        known = [grown[point] for sim in sims for point in sim]
        if known:
            kilobytes = sum(one.amount for one in known)
            shortest: timedelta = min(one.span for one in known)
            return Traffic(kilobytes * ROUTER_KB, shortest), len(sims)
    return None, 0


@dataclass(frozen=True, slots=True)
class _Growth:
    """By how much a counter grew, from its first good reading to its last."""

    amount: float
    span: timedelta


def _counters(session: Session, gateway: Gateway, keys: tuple[str, str]) -> dict[int, str]:
    """The router's counters whose keys contain one of these: key by point."""
    rows = session.execute(
        select(DataPoint.id, DataPoint.key)
        .join(Device, Device.id == DataPoint.device_id)
        .where(Device.gateway_id == gateway.id, DataPoint.enabled, DataPoint.unit == "KB")
        .where(or_(*(DataPoint.key.contains(key, autoescape=True) for key in keys)))
    )
    return {row.id: row.key for row in rows}


def _complete(points: dict[int, str], grown: dict[int, _Growth]) -> list[list[int]]:
    """The points of each SIM of which both directions are known."""
    sims: dict[str, list[int]] = {}
    for point in grown:
        sims.setdefault(points[point].replace("received", "sent"), []).append(point)
    return [sim for sim in sims.values() if len(sim) == 2]


def _growths(session: Session, points: Iterable[int], start_at: datetime, end_at: datetime) -> dict[int, _Growth]:
    """The growth of each counter that was read well at least twice."""
    read = readings_between(session, list(points), start_at, end_at)
    good = read[(read.quality == Quality.GOOD) & read.value.notna()]
    grown = {}
    for point, rows in good.groupby("data_point_id"):
        times_ms = rows.read_at_ms.to_numpy()
        if len(rows) > 1:
            span = timedelta(milliseconds=int(times_ms[-1] - times_ms[0]))
            grown[int(str(point))] = _Growth(growth(rows.value.to_numpy()), span)
    return grown


def growth(values: Numbers) -> float:
    """By how much a counter grew that starts again at 0 every day; after a start it grew by what it says."""
    steps = np.diff(values)
    return float(np.where(steps < 0, values[1:], steps).sum())
