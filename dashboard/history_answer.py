"""What the page History is answered to its address: the tracks, and all that is said and drawn around them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from dashboard.history_figure import clock_changes, frame, looks, panels
from dashboard.history_json import compared_json, point_json, track_json
from dashboard.history_notes import notes
from dashboard.history_view import View
from dashboard.viewer import Viewer
from models.database import to_ms
from models.history import PointFacts, Track, compared, facts_of, tracks

MOST_DRAWN = 12  # points: more lines can't be told apart
COMPARED = {"day": "the day before", "week": "the week before", "year": "the year before"}


def refused(number: int, problem: str, *, is_away: bool = False) -> dict[str, Any]:
    """The answer when there is nothing to draw; `problem` is a sentence with what to do.

    is_away: it isn't the address that is wrong, so that what was drawn before may stay.
    """
    return {
        "number": number,
        "problem": problem,
        "is_away": is_away,
        "warnings": [],
        "start_ms": None,
        "end_ms": None,
        "range": None,
        "points": [],
        "panels": [],
        "tracks": {},
        "compared": None,
        "annotations": [],
        "may_annotate": False,
        "may_note_site": False,
        "looks": looks(0),
    }


def answer(
    session: Session, view: View, viewer: Viewer | None, *, number: int, pixels: int, zone: ZoneInfo, now: datetime
) -> dict[str, Any]:
    """What is drawn, as the scripts take it; points that are gone are named and left out.

    viewer: who looks. number: the page's own, of its question. pixels: between the chart's margins.
    """
    start_ms, end_ms = to_ms(view.start_at), to_ms(view.end_at)
    asked, view = view.point_ids, replace(view, point_ids=view.point_ids[:MOST_DRAWN])
    points = list(facts_of(session, view.point_ids).values())
    found = tracks(session, view.point_ids, view.start_at, view.end_at, pixels, now=now, good_only=view.good_only)
    shown = panels(points, is_shared=view.is_shared)
    return {
        "number": number,
        "pixels": pixels,
        "problem": None,
        "is_away": False,
        "warnings": warnings(asked, points, found),
        "start_ms": start_ms,
        "end_ms": end_ms,
        "range": view.range,
        "good_only": view.good_only,
        "zone": zone.key,
        "clock": clock_changes(zone, *_clock_span(found, start_ms, end_ms)),
        "resolution": resolution_words(found),
        "points": [point_json(point, index) for index, point in enumerate(points)],
        "panels": [panel.json() for panel in shown],
        "layout": frame(shown),
        "looks": looks(len(points)),
        "tracks": {str(point): track_json(track, start_ms) for point, track in found.items()},
        "compared": _compared(session, view, pixels, found, now),
        **notes(session, view.start_at, view.end_at, [point.id for point in points], viewer),
    }


def _clock_span(found: Mapping[int, Track], start_ms: int, end_ms: int) -> tuple[int, int]:
    """The span of the picture with the whole buckets at its edges, and as much again on both sides for dragging."""
    edges = [(track.statistics.start_ms, track.statistics.end_ms) for track in found.values()]
    length = end_ms - start_ms
    return min([start_ms - length, *(start for start, _ in edges)]), max([end_ms + length, *(end for _, end in edges)])


def _compared(
    session: Session, view: View, pixels: int, found: Mapping[int, Track], now: datetime
) -> dict[str, Any] | None:
    if view.compare is None or not found:
        return None
    coarsest = max((track.resolution for track in found.values()), key=lambda resolution: resolution.bucket_ms)
    before = compared(
        session,
        view.point_ids,
        view.start_at,
        view.end_at,
        pixels,
        view.compare,
        now=now,
        at_least=coarsest,
        good_only=view.good_only,
    )
    start_ms = to_ms(view.start_at)
    return {
        "words": COMPARED[view.compare.value],
        "tracks": {str(point): compared_json(track, start_ms) for point, track in before.items()},
    }


def warnings(asked: Sequence[int], points: Sequence[PointFacts], found: Mapping[int, Track]) -> list[str]:
    """What the reader has to know of the picture: points that are gone, and that there is nothing at all."""
    known = {point.id for point in points}
    gone = [str(point) for point in asked[:MOST_DRAWN] if point not in known]
    said = []
    if len(asked) > MOST_DRAWN:
        said.append(f"Of {len(asked)} points the first {MOST_DRAWN} are drawn: more lines can't be told apart.")
    if gone:
        names = f"point {gone[0]} is" if len(gone) == 1 else f"points {', '.join(gone)} are"
        said.append(f"The {names} gone, or not yours to see: what is left is drawn. Pick others in the list of points.")
    if found and all(not track.statistics.count and not track.statistics.bad_count for track in found.values()):
        said.append("There are no readings in this range: choose another one. The reasons are listed below.")
    return said


def resolution_words(found: Mapping[int, Track]) -> str:
    """Of what the lines are made: "every reading", "means of 5 min"."""
    kinds = dict.fromkeys(track.resolution for track in found.values())
    return ", ".join(kind.words if kind.is_raw else f"means of {kind.words}" for kind in kinds)
