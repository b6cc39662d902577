"""Asking nothing twice, in a session that sees one state of the database and only reads."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy.orm import Session

HELD = "held by read_once"  # in the session

T = TypeVar("T")


@contextmanager
def read_once(session: Session) -> Iterator[None]:
    """Within, what was read is kept for whoever asks for it again; one may lie within another."""
    if HELD in session.info:
        yield
        return
    session.info[HELD] = {}
    try:
        yield
    finally:
        del session.info[HELD]


def held(session: Session, name: str, make: Callable[[], T]) -> T:
    """What has been kept under a name within `read_once`; new each time outside of it."""
    kept: dict[str, T] = session.info.get(HELD, {})
    return kept.setdefault(name, make())
