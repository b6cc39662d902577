"""The ways in which the world hears of what is stored: after the commit, or with it, through the database itself."""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy.orm import Session

from models.database import Database
from models.outbox import append
from realtime.broker import Drafter, Publisher
from realtime.events import Event


class Telling(Protocol):
    """Whoever commits something that is to be told calls `record` at the end of the transaction, then `publish`.

    has_gap: a process that dies between the two, or does not hear how its commit ended, leaves something untold.
    is_shared: others have read along before this process began, and may lack the last words of the one before it.
    """

    has_gap: bool
    is_shared: bool

    def record(self, session: Session, events: Sequence[Event]) -> None: ...

    def publish(self, events: Sequence[Event]) -> None: ...

    def tell(self, events: Sequence[Event]) -> None:
        """What no transaction is needed for; raises what the database raises."""
        ...


class AfterCommit:
    """Through a broker."""

    has_gap = True

    def __init__(self, broker: Publisher) -> None:
        self.is_shared: bool = getattr(broker, "is_shared", False)
        self._broker = broker

    def record(self, session: Session, events: Sequence[Event]) -> None:
        """Not before it is true."""

    def publish(self, events: Sequence[Event]) -> None:
        self._broker.publish(events)

    def tell(self, events: Sequence[Event]) -> None:
        self._broker.publish(events)


class InCommit:
    """Through the outbox of the database; one thread at a time. others: who is told besides, after the commit."""

    has_gap = False
    is_shared = True

    def __init__(self, database: Database, others: Publisher) -> None:
        self._database = database
        self._others = others
        self._drafter = Drafter()

    def record(self, session: Session, events: Sequence[Event]) -> None:
        for draft in self._drafter.drafts(events):
            append(session, draft)

    def publish(self, events: Sequence[Event]) -> None:
        """They came with the commit; it is only the others who do not know yet."""
        self._others.publish(events)

    def tell(self, events: Sequence[Event]) -> None:
        with self._database.write() as session:
            self.record(session, events)
        self._others.publish(events)


def telling_by(broker_url: str, broker: Publisher, database: Database) -> Telling:
    """How to tell where the broker has this URL."""
    return InCommit(database, broker) if broker_url.startswith("postgresql") else AfterCommit(broker)
