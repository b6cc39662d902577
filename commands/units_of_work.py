"""The database as a command uses it: brought up to date first, closed in the end."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from models.database import Database
from models.schema import upgrade
from settings import Settings


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """The database, brought up to date first and closed in the end."""
    database = Database(settings.database_url)
    try:
        upgrade(database)
        yield database
    finally:
        database.close()


@contextmanager
def unit_of_work(settings: Settings) -> Iterator[Session]:
    """One unit of work on the database, brought up to date first."""
    with opened(settings) as database, database.write() as session:
        yield session
