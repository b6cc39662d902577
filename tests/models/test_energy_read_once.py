"""Quarters of an hour that are read once are those that would be read anew."""

from datetime import datetime, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

import numpy as np

from models.database import Database
from models.energy_quarters import quarters_of
from models.read_once import read_once
from models.rollups import advance
from tests.models.energy_plant import add_counter, count, every, steady
from tests.models.plant import add_gateway, add_site

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
START = datetime(2025, 6, 1, tzinfo=ZoneInfo("Europe/Berlin"))
NOW = START + 80 * HOUR + 7 * MINUTE
EDGES = [START - HOUR, START + HOUR, START + 20 * HOUR, NOW - 3 * HOUR, NOW - 20 * MINUTE, NOW, NOW + 5 * HOUR]


def test_any_span_within_one_that_was_read_is_as_if_read_anew(database: Database) -> None:
    with database.write() as session:
        gateway = add_gateway(session, add_site(session))
        gateway.poll_interval_s = 300.0
        point = add_counter(session, gateway)
        count(session, point, every(5 * MINUTE, START, NOW), steady(START, 4.0))
    advance(database, NOW - HOUR)
    shared = 0
    with database.read() as session:
        spans = list(combinations(EDGES, 2))
        fresh = {span: quarters_of(session, {point: 1.0}, *span, NOW) for span in spans}
        with read_once(session):
            held = quarters_of(session, {point: 1.0}, EDGES[0], EDGES[-1], NOW)
            for span in spans:
                again = quarters_of(session, {point: 1.0}, *span, NOW)
                assert np.array_equal(again.amounts, fresh[span].amounts)
                assert np.array_equal(again.marks, fresh[span].marks)
                assert (again.start_ms, again.begun, again.now_ms) == (
                    fresh[span].start_ms,
                    fresh[span].begun,
                    fresh[span].now_ms,
                )
                shared += np.shares_memory(again.amounts, held.amounts)
    assert shared > 0
