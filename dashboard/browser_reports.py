"""How the connection of each open page is, as the pages themselves report it: `POST /live/health`."""

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask, Response, jsonify, request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, StrictInt, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from dashboard.roles import asking

KEPT = timedelta(minutes=2)  # pages report at every change and every 30 s
MOST_PER_USER = 100  # pages open at once; above it the oldest report goes
MOST_BYTES = 2048
NOBODY = "nobody"  # where sign-in is not set up

UserId = int | str


class Report(BaseModel):
    """What one page says of its connection; fields that are not known here are passed over.

    browser: the page's own random id. connected: its socket brings data. should_use_fallback: it polls, every
    `fallback_interval` seconds. recent_attempts: attempts to connect that failed in the last hour.
    """

    model_config = ConfigDict(frozen=True)

    browser: str = Field(pattern=r"^[A-Za-z0-9_-]{4,64}$")
    connected: StrictBool
    should_use_fallback: StrictBool
    fallback_interval: float = Field(gt=0, le=3600, allow_inf_nan=False)
    recent_attempts: StrictInt = Field(ge=0, le=1_000_000)
    last_attempt: AwareDatetime | None


@dataclass(frozen=True, slots=True)
class KeptReport:
    """A report, who sent it and from where."""

    report: Report
    user: str
    address: str
    received_at: datetime

    def json(self) -> dict[str, Any]:
        """The five fields and the page's id; nothing of the person."""
        return self.report.model_dump(mode="json")


class BrowserReports:
    """The last report of every page that is open; from any thread.

    A page is known by its user and its own id together, so nobody can speak for another's page.
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.refused: Counter[str] = Counter()
        self._clock = clock
        self._by_user: dict[UserId, OrderedDict[str, KeptReport]] = {}
        self._lock = threading.Lock()

    def keep(self, report: Report, user_id: UserId, user: str, address: str) -> None:
        """Keep what a page says; user: the name."""
        kept = KeptReport(report, user, address, self._clock())
        with self._lock:
            of_user = self._by_user.setdefault(user_id, OrderedDict())
            of_user[report.browser] = kept
            of_user.move_to_end(report.browser)
            while len(of_user) > MOST_PER_USER:
                of_user.popitem(last=False)

    def refuse(self, reason: str) -> None:
        """Count a report that is none."""
        with self._lock:
            self.refused[reason] += 1

    def current(self) -> list[KeptReport]:
        """The reports of the last two minutes, newest first; older ones are forgotten."""
        with self._lock:
            self._forget(self._clock() - KEPT)
            reports = [kept for of_user in self._by_user.values() for kept in of_user.values()]
        return sorted(reports, key=lambda kept: kept.received_at, reverse=True)

    def _forget(self, before: datetime) -> None:
        for user_id, of_user in tuple(self._by_user.items()):
            while of_user and next(iter(of_user.values())).received_at < before:
                of_user.popitem(last=False)
            if not of_user:
                del self._by_user[user_id]


def summary(reports: Sequence[KeptReport]) -> dict[str, Any]:
    """The five fields over all pages: how many are connected and how many poll, the slowest pace, the newest attempt.

    fallback_interval: None while none polls. last_attempt: None while none has tried.
    """
    said = [kept.report for kept in reports]
    polling = [report for report in said if report.should_use_fallback]
    attempts = [report.last_attempt for report in said if report.last_attempt is not None]
    return {
        "pages": len(said),
        "connected": sum(report.connected for report in said),
        "should_use_fallback": len(polling),
        "fallback_interval": max((report.fallback_interval for report in polling), default=None),
        "recent_attempts": sum(report.recent_attempts for report in said),
        "last_attempt": max(attempts).astimezone(UTC).isoformat() if attempts else None,
    }


def register_browser_reports(server: Flask, reports: BrowserReports) -> None:
    """Add `POST /live/health`: a Report as JSON. 204; or 400, 413 or 415, and why."""

    @server.post("/live/health")
    def keep_report() -> Response:
        request.max_content_length = MOST_BYTES
        if not request.is_json:  # no other site's form can send this
            return _refused(reports, "not JSON", "Send the report as application/json.", 415)
        try:
            report = Report.model_validate_json(request.get_data(cache=False))
        except RequestEntityTooLarge:
            return _refused(reports, "too large", f"A report has {MOST_BYTES} bytes at most.", 413)
        except ValidationError as error:
            return _refused(reports, "not a report", _complaint(error), 400)
        viewer = asking()
        user_id, user = (NOBODY, NOBODY) if viewer is None else (viewer.user_id, viewer.name)
        reports.keep(report, user_id, user, request.remote_addr or "")
        return Response(status=204, headers={"Cache-Control": "no-store"})


def _refused(reports: BrowserReports, reason: str, sentence: str, status: int) -> Response:
    reports.refuse(reason)
    answer = jsonify(error=sentence)
    answer.status_code = status
    return answer


def _complaint(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "report"
    return f"{place}: {first['msg']}"
