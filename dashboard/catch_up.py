"""What a page is told over HTTP: the newest values at once, and the readings that its socket did not bring."""

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import orjson
import pandas as pd
from flask import Flask, Request, Response, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.viewer import current_sight
from models.access import Sight, seen
from models.database import Database, from_ms, to_ms
from models.gateways import DataPoint, Gateway
from models.readings import latest, readings_between
from realtime.events import iso_time

LONGEST_BACK = timedelta(minutes=35)
SLICE = timedelta(minutes=5)  # read at once; with MOST_POINTS it bounds the memory of an answer
MOST_POINTS = 200
MOST_READINGS = 50_000
GZIP_FROM_BYTES = 4096


class BadQuestion(Exception):
    """The address asks for something that can't be answered; the message says what and how to ask."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which points, and the time from which on their readings are wanted."""

    point_ids: tuple[int, ...]
    after: datetime


def register(server: Flask, database: Database) -> None:
    """Add the routes. Who may ask is the guard's business."""

    @server.get("/live/snapshot")
    def live_snapshot_route() -> Response:
        return json_answer(live_snapshot(database, current_sight()))

    @server.get("/live/readings")
    def live_readings_route() -> Response:
        now = datetime.now(UTC)
        try:
            question = parse_question(request, now)
        except BadQuestion as error:
            return json_answer({"error": str(error)}, status=400)
        return json_answer(live_readings(database, question, now, current_sight()))


def live_snapshot(database: Database, sight: Sight = None) -> dict[str, Any]:
    """The newest reading of every point and the state of every gateway in sight, for a page that knows nothing yet.

    readings: [data_point_id, read_at_ms, value or None, quality, text or None].
    """
    at = datetime.now(UTC)
    with seen(database, sight) as session:
        points = None if sight is None else session.scalars(select(DataPoint.id)).all()
        readings = [
            (row.data_point_id, row.read_at_ms, row.value, int(row.quality), row.text)
            for row in latest(session, points)
        ]
        return {"at": to_ms(at), "readings": readings, "gateways": gateway_states(session)}


def live_readings(database: Database, question: Question, now: datetime, sight: Sight = None) -> dict[str, Any]:
    """The readings of some points since a time, oldest first, and the state of every gateway, as far as in sight.

    readings: [data_point_id, [read_at_ms...], [value or None...], [quality...]]; until: how far they go;
    more: there is more than fits, ask again after `until`. What is read while we look has a later time than `at`,
    or is seen by asking again from a little before it.
    """
    with seen(database, sight) as session:
        if sight is not None:
            question = replace(question, point_ids=_in_sight(session, question.point_ids))
        frame, until = _bounded(session, question, now + timedelta(minutes=1))
        return {
            "at": to_ms(now),
            "until": to_ms(until),
            "more": until < now,
            "readings": list(_columns(frame)),
            "gateways": gateway_states(session),
        }


def parse_question(asked: Request, now: datetime) -> Question:
    """Read `points` and `after` of an address; a time too long ago is brought forward. Raises BadQuestion."""
    try:
        point_ids = tuple(int(part) for part in asked.args.get("points", "").split(",") if part)
        after_ms = int(asked.args["after"])
        after = from_ms(after_ms)
    except (KeyError, ValueError, OverflowError) as error:
        raise BadQuestion("ask for /live/readings?points=1,2,3&after=<milliseconds since 1970>") from error
    if len(point_ids) > MOST_POINTS:
        raise BadQuestion(f"at most {MOST_POINTS} points at once, not {len(point_ids)}; ask several times")
    return Question(point_ids, max(after, now - LONGEST_BACK))


def _in_sight(session: Session, point_ids: Sequence[int]) -> tuple[int, ...]:
    """Those of the points that the narrowed session finds."""
    return tuple(session.scalars(select(DataPoint.id).where(DataPoint.id.in_(point_ids))))


def _bounded(session: Session, question: Question, end_at: datetime) -> tuple[pd.DataFrame, datetime]:
    """Readings in slices of time, until there are enough; and the time that they reach."""
    frames = [readings_between(session, [], end_at, end_at)]
    start_at, found = question.after, 0
    while start_at < end_at and found < MOST_READINGS and question.point_ids:
        frames.append(readings_between(session, question.point_ids, start_at, min(start_at + SLICE, end_at)))
        found += len(frames[-1])
        start_at = min(start_at + SLICE, end_at)
    reached = start_at if question.point_ids else end_at
    return pd.concat(frames).sort_values(["data_point_id", "read_at_ms"], kind="stable"), reached


def _columns(frame: pd.DataFrame) -> Iterator[Sequence[Any]]:
    """The rows of each point as columns; JSON has no NaN: "no value" becomes null."""
    points = frame["data_point_id"].to_numpy()
    columns = [np.ascontiguousarray(frame[name]) for name in ("read_at_ms", "value", "quality")]
    starts = np.flatnonzero(np.diff(points, prepend=-1)).tolist()
    for start, end in pairwise([*starts, len(points)]):
        yield int(points[start]), *(column[start:end] for column in columns)


def gateway_states(session: Session) -> list[dict[str, Any]]:
    """The state of every gateway: the payload of its event, and what its card shows besides."""
    return [gateway_state(gateway) for gateway in session.scalars(select(Gateway).order_by(Gateway.id))]


def gateway_state(gateway: Gateway) -> dict[str, Any]:
    since_at, seen_at = gateway.status_since_at, gateway.last_success_at
    return {
        "id": gateway.id,
        "name": gateway.name,
        "ip_address": gateway.host,
        "port": gateway.port,
        "is_active": gateway.enabled,
        "last_seen_at": None if seen_at is None else iso_time(seen_at),
        "success_count": gateway.success_count,
        "failure_count": gateway.failure_count,
        "status": gateway.status.value,
        "status_since_ms": 0 if since_at is None else to_ms(since_at),
        "reason": gateway.status_reason,
        "latency_p95_ms": gateway.latency_p95_ms,
        "normal_low_w": gateway.normal_low_w,
        "normal_high_w": gateway.normal_high_w,
    }


def json_answer(answer: dict[str, Any], status: int = 200) -> Response:
    """An answer that nobody keeps, compressed when it is large."""
    body = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    response = Response(body, status, mimetype="application/json", headers={"Cache-Control": "no-store"})
    if len(body) >= GZIP_FROM_BYTES and request.accept_encodings["gzip"]:
        response.set_data(gzip.compress(body, compresslevel=4, mtime=0))
        response.content_encoding = "gzip"
    response.vary.add("Accept-Encoding")
    return response
