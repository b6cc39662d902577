"""Who may see which gateways: all of them, or only those assigned; enforced on every query of a narrowed session."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ForeignKey, delete, event, false, select
from sqlalchemy.orm import Mapped, ORMExecuteState, Session, mapped_column, with_loader_criteria

from models.annotations import AnnotationRow
from models.database import Base, Database
from models.events import EventRow
from models.gateways import DataPoint, Device, Gateway, configuration_changed
from models.poll_tables import PollRow
from models.reports import Report
from models.users import User

Sight = frozenset[int] | None  # ids of the only gateways that may be seen; None: all


class UserGateway(Base):
    """A gateway that a limited user may see."""

    __tablename__ = "user_gateway"

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    gateway_id: Mapped[int] = mapped_column(ForeignKey("gateway.id", ondelete="CASCADE"), primary_key=True)


def sight_of(session: Session, user: User) -> Sight:
    """What the user may see; a limited user whose gateways are all gone sees none."""
    if not user.is_limited:
        return None
    return frozenset(session.scalars(select(UserGateway.gateway_id).where(UserGateway.user_id == user.id)))


def limit_user(session: Session, user: User, gateway_ids: Collection[int] | None) -> None:
    """From now on the user sees these gateways only; None: all."""
    session.execute(delete(UserGateway).where(UserGateway.user_id == user.id))
    user.is_limited = gateway_ids is not None
    session.add_all(UserGateway(user_id=user.id, gateway_id=gateway_id) for gateway_id in set(gateway_ids or ()))
    configuration_changed(session)  # open pages look again at what there is


@contextmanager
def seen(database: Database, sight: Sight) -> Iterator[Session]:
    """A session to read in, whose queries find only what may be seen, however they are put."""
    with database.read() as session:
        narrow(session, sight)
        yield session


def narrow(session: Session, sight: Sight) -> None:
    """Leave out of every query on this session what belongs to other gateways, and the events of none.

    Readings are in no such table: ask for them by the points that were found.
    """
    if sight is None:
        return
    criteria = _criteria(sight)

    def add_criteria(state: ORMExecuteState) -> None:
        if state.is_select:
            state.statement = state.statement.options(*criteria)

    event.listen(session, "do_orm_execute", add_criteria)


def _criteria(sight: frozenset[int]) -> list[Any]:
    devices = select(Device.__table__.c.id).where(Device.__table__.c.gateway_id.in_(sight))
    return [
        with_loader_criteria(Gateway, Gateway.id.in_(sight)),
        with_loader_criteria(Device, Device.gateway_id.in_(sight)),
        with_loader_criteria(DataPoint, DataPoint.device_id.in_(devices)),
        with_loader_criteria(PollRow, PollRow.gateway_id.in_(sight)),
        with_loader_criteria(EventRow, EventRow.gateway_id.in_(sight)),
        with_loader_criteria(Report, false()),  # it tells of the whole site
        with_loader_criteria(AnnotationRow, AnnotationRow.gateway_id.in_(sight)),
    ]
