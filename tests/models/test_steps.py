"""Long work in steps: broken off between two of them, and taken up again."""

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from sqlalchemy import func, select

from models.database import Database, to_ms
from models.reading_tables import reading, reading_recent
from models.readings import Quality, Sample, settle, store
from models.steps import BrokenOff, until

START = datetime(2025, 6, 15, tzinfo=UTC)


def test_work_that_is_broken_off_loses_nothing_and_goes_on_the_next_time(database: Database) -> None:
    with database.write() as session:
        for second in range(40):
            at_ms = to_ms(START) + 1000 * second
            store(session, [Sample(point, at_ms, 1.0, Quality.GOOD) for point in range(1, 51)])
    calls = count()
    with until(lambda: next(calls) >= 2), pytest.raises(BrokenOff):
        settle(database, START + timedelta(hours=1))
    with database.read() as session:
        moved = session.scalar(select(func.count()).select_from(reading)) or 0
        assert 0 < moved < 2000 and session.scalar(select(func.count()).select_from(reading_recent)) == 2000
    settle(database, START + timedelta(hours=1))
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(reading)) == 2000
        assert session.scalar(select(func.count()).select_from(reading_recent)) == 0
