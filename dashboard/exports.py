"""Exports of the page History: exactly what is filtered, as a file that is written while the page shows progress."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask, Response, jsonify, request, send_file, url_for
from sqlalchemy.orm import Session

from dashboard.export_files import FILES, TYPES, About
from dashboard.export_jobs import ExportFailed, ExportJobs, Job, State, TooManyExports, too_many_rows
from dashboard.history_view import BadView, View, parse_view
from dashboard.plant import find_site
from dashboard.roles import asking
from dashboard.viewer import current_sight
from models.access import seen
from models.database import Database, to_ms
from models.history import PointFacts, Resolution, drawn_resolution, facts_of
from models.history_kept import kept_level
from models.history_levels import RAW, WIDTHS
from models.history_rows import expected_rows, rows_between
from models.rollup_tables import Level

PATH = "/history/export"
MOST_ROWS = 20_000_000
MOST_XLSX_ROWS = 3_000_000  # a spreadsheet opens no more
USUAL_PIXELS, MOST_PIXELS = 1500, 8000
NOBODY = "nobody"  # where sign-in is not set up
LEVELS = {"1min": Level.MINUTE, "15min": Level.QUARTER, "1h": Level.HOUR, "1d": Level.DAY}


def utc_now() -> datetime:
    return datetime.now(UTC)


def register(
    server: Flask,
    database: Database,
    folder: Path,
    clock: Callable[[], datetime] = utc_now,
    most_rows: int = MOST_ROWS,
) -> None:
    """Add the routes; what an earlier run has left in the folder and nobody wants any more is deleted.

    POST: begins an export of the page's own query, `format` and `resolution`; 202 and how far it is. GET the same with
    its id, DELETE cancels it; GET .../file is the file. Who may ask at all is the guard's business.
    """
    jobs = ExportJobs(folder, clock, most_rows)
    jobs.clean_up()

    @server.post(PATH)
    def begin_export() -> Response:
        try:
            job = _begin(database, jobs, request.query_string.decode("latin-1"), request.args, clock(), most_rows)
        except BadView as error:
            return _refused(str(error), 400)
        except TooManyExports as error:
            return _refused(str(error), 429)
        except ExportFailed as error:
            return _refused(str(error), 507)
        answer = _fresh(jsonify(_said(job)))
        answer.status_code = 202
        return answer

    @server.get(f"{PATH}/<job_id>")
    def export_progress(job_id: str) -> Response:
        job = jobs.find(job_id, _owner(), current_sight())
        return _gone() if job is None else _fresh(jsonify(_said(job)))

    @server.delete(f"{PATH}/<job_id>")
    def cancel_export(job_id: str) -> Response:
        job = jobs.find(job_id, _owner(), current_sight())
        if job is None:
            return _gone()
        jobs.cancel(job)
        return _fresh(Response(status=204))

    @server.get(f"{PATH}/<job_id>/file")
    def export_file(job_id: str) -> Response:
        job = jobs.find(job_id, _owner(), current_sight())
        if job is None or job.state is not State.DONE or not jobs.path_of(job).is_file():
            return _gone()
        path = jobs.path_of(job)
        answer = send_file(path, TYPES[job.form], as_attachment=True, download_name=job.name, etag=False)
        return _fresh(answer)


def _begin(
    database: Database, jobs: ExportJobs, query: str, given: Mapping[str, str], now: datetime, most_rows: int
) -> Job:
    sight = current_sight()
    form = given.get("format", "")
    if form not in FILES:
        raise BadView(f"“{form[:20]}” is no format of an export; choose {', '.join(FILES)}.")
    with seen(database, sight) as session:
        site = find_site(session)
        site_zone = ZoneInfo("UTC" if site is None else site.time_zone)
        view = parse_view(query, now, site_zone)
        points = _points(session, view)
        resolution = _resolution(session, view, points, given)
        estimated = _estimated(points, resolution, view, now)
        words = _facts(view, points, resolution, view.zone or site_zone, now)
    most = min(most_rows, MOST_XLSX_ROWS) if form == "xlsx" else most_rows
    if estimated > most:
        hint = " CSV and Parquet hold more." if form == "xlsx" and estimated <= most_rows else ""
        raise BadView(too_many_rows(estimated, most) + hint)
    about = About(words, view.zone or site_zone, resolution.is_raw)
    start_ms, end_ms = to_ms(view.start_at), to_ms(view.end_at)
    return jobs.begin(
        _owner(),
        sight,
        form,
        _name(view, form, view.zone or site_zone),
        about,
        lambda: rows_between(database, sight, points, resolution, start_ms, end_ms, good_only=view.good_only),
        estimated,
    )


def _points(session: Session, view: View) -> dict[int, PointFacts]:
    if not view.point_ids:
        raise BadView("No point is picked; pick some from the list of points first.")
    points = facts_of(session, view.point_ids)
    gone = [str(point) for point in view.point_ids if point not in points]
    if gone:
        names = f"point {gone[0]} is" if len(gone) == 1 else f"points {', '.join(gone)} are"
        raise BadView(f"The {names} gone, or not yours to see; take them out of the list of points.")
    return points


def _resolution(session: Session, view: View, points: Mapping[int, PointFacts], given: Mapping[str, str]) -> Resolution:
    """As it is drawn, unless another is asked for; coarser where the readings are deleted already."""
    word = given.get("resolution", "") or "shown"
    start_ms, end_ms = to_ms(view.start_at), to_ms(view.end_at)
    if word == "raw":
        return RAW
    if word in LEVELS:
        level = kept_level(session, list(points), start_ms, LEVELS[word])
        return Resolution(level, WIDTHS[level])
    if word != "shown":
        raise BadView(f"“{word[:20]}” is no resolution; choose shown, raw, {', '.join(LEVELS)}.")
    return drawn_resolution(session, points, start_ms, end_ms, _pixels(given.get("pixels", "")))


def _pixels(word: str) -> int:
    if not word:
        return USUAL_PIXELS
    if not re.fullmatch(r"[1-9][0-9]{0,5}", word):
        raise BadView(f"pixels={word[:20]} is no width of a chart; leave it out.")
    return min(int(word), MOST_PIXELS)


def _estimated(points: Mapping[int, PointFacts], resolution: Resolution, view: View, now: datetime) -> int:
    """Rows there should be, at most; none of times to come."""
    return expected_rows(points, resolution, to_ms(view.start_at), to_ms(min(view.end_at, max(now, view.start_at))))


def _facts(
    view: View, points: Mapping[int, PointFacts], resolution: Resolution, zone: ZoneInfo, now: datetime
) -> dict[str, str]:
    viewer = asking()
    quality = "good readings only" if view.good_only else "all readings"
    return {
        "What": "Readings" if resolution.is_raw else f"Means, minima and maxima of {resolution.words}",
        "Points": "; ".join(point.name for point in points.values()),
        "From": f"{view.start_at.astimezone(zone).isoformat(timespec='seconds')}",
        "To (excluded)": f"{view.end_at.astimezone(zone).isoformat(timespec='seconds')}",
        "Time zone": zone.key,
        "Resolution": resolution.words,
        "Quality": quality if resolution.is_raw else "means of good readings; bad_count counts the others",
        "Exported at": f"{now.astimezone(zone).isoformat(timespec='seconds')}",
        "Exported by": NOBODY if viewer is None else viewer.name,
    }


def _name(view: View, form: str, zone: ZoneInfo) -> str:
    """Letters, digits and hyphens only."""
    start, end = (at.astimezone(zone).strftime("%Y%m%d-%H%M") for at in (view.start_at, view.end_at))
    return f"history-{start}-to-{end}.{form}"


def _owner() -> str:
    viewer = asking()
    return NOBODY if viewer is None else str(viewer.user_id)


def _said(job: Job) -> dict[str, Any]:
    is_done = job.state is State.DONE
    return {
        "id": job.id,
        "state": job.state.value,
        "rows": job.rows,
        "estimated": job.estimated,
        "bytes": job.bytes,
        "problem": job.problem,
        "name": job.name,
        "url": url_for("export_progress", job_id=job.id),
        "file_url": url_for("export_file", job_id=job.id) if is_done else None,
    }


def _gone() -> Response:
    return _refused("There is no such export: it was cancelled, or is older than an hour. Begin it again.", 404)


def _refused(sentence: str, status: int) -> Response:
    answer = _fresh(jsonify(error=sentence))
    answer.status_code = status
    return answer


def _fresh(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    return answer
