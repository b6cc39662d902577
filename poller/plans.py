"""What the poller takes from the database: the plan of every enabled gateway, and what was known of it before."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from models.database import Database
from models.gateways import Device, Gateway, configuration_version
from models.polls import PointRefusal, Refusal, SilentUnit, UnitSilence
from models.readings import newest_reading_at
from poller.plan import GatewayPlan, plan_gateway

GATEWAYS_AT_ONCE = 50


@dataclass(frozen=True)
class Known:
    """What earlier polls have found out about a gateway; last_attempt_at is None when nothing is due since then."""

    last_attempt_at: datetime | None
    refusals: tuple[Refusal, ...] = ()
    silences: tuple[UnitSilence, ...] = ()


@dataclass(frozen=True)
class NewPlans:
    """The plans in force from now on and what is known of their gateways, both by gateway id."""

    plans: dict[int, GatewayPlan]
    known: dict[int, Known]
    newest_reading_at: datetime | None


class PlanWatch:
    """Looks for changes of the configuration."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version: int | None = None

    @property
    def is_loaded(self) -> bool:
        return self._version is not None

    def news(self) -> NewPlans | None:
        """All plans when the configuration has changed since the last look, else None."""
        with self._database.read() as session:
            version = configuration_version(session)
            if version == self._version:
                return None
            news = load_plans(session, version)
        self._version = version
        return news


def load_plans(session: Session, configuration: int) -> NewPlans:
    """Of the rows of gateways and points, which weigh far more than plans, only a few are held at once."""
    plans: dict[int, GatewayPlan] = {}
    known: dict[int, Known] = {}
    for gateway in _enabled(session):
        plan = plans[gateway.id] = plan_gateway(gateway, configuration)
        known[gateway.id] = _known(session, gateway, plan)
    return NewPlans(plans, known, newest_reading_at(session))


def _enabled(session: Session) -> Iterator[Gateway]:
    loaded = selectinload(Gateway.devices).selectinload(Device.data_points)
    ids = list(session.scalars(select(Gateway.id).where(Gateway.enabled).order_by(Gateway.id)))
    for start in range(0, len(ids), GATEWAYS_AT_ONCE):
        some = ids[start : start + GATEWAYS_AT_ONCE]
        yield from session.scalars(select(Gateway).options(loaded).where(Gateway.id.in_(some)).order_by(Gateway.id))
        session.expunge_all()


def _known(session: Session, gateway: Gateway, plan: GatewayPlan) -> Known:
    refusals = session.scalars(select(PointRefusal).where(PointRefusal.data_point_id.in_(plan.points)))
    silences = session.scalars(select(SilentUnit).where(SilentUnit.device_id.in_([u.device_id for u in plan.units])))
    return Known(
        gateway.last_attempt_at if gateway.recent_outcomes else None,  # a resumed gateway has no outcomes
        tuple(Refusal(row.data_point_id, row.exception_code, row.since_at, row.retry_at) for row in refusals),
        tuple(UnitSilence(row.device_id, row.since_at, row.reason) for row in silences),
    )
