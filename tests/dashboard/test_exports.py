"""Exports: exactly what is filtered, in three formats, with progress and cancel; each user's are their own."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from time import monotonic, sleep
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pyarrow.parquet
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from dashboard import export_files, exports
from dashboard.auth import register_auth
from dashboard.export_files import About, CsvFile
from dashboard.export_jobs import DISK_FULL, ENDED_EARLY, ExportJobs, Job, State
from models.access import limit_user
from models.database import Database, to_ms
from models.gateways import DataPoint, Device, Quantity
from models.history import facts_of, tracks
from models.readings import Quality, Sample, store
from models.rollups import advance
from models.users import find_user
from settings import Settings
from tests.dashboard.conftest import form_token, sign_in
from tests.models.plant import add_gateway, add_meter, add_site

START = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)  # the night with the hour that comes twice in Berlin
NOW = START + timedelta(hours=6)
QUERY = "points=1,2&start=2026-10-25T00:00:00Z&end=2026-10-25T00:10:00Z&"
BERLIN = ZoneInfo("Europe/Berlin")


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def plant(people: None, database: Database) -> Database:
    """North's meter and South's, read every 5 s for five hours; a suspect reading and one without a value."""
    with database.write() as session:
        site = add_site(session)
        for name in ("North", "=South"):
            gateway = add_gateway(session, site, name)
            point = add_meter(session, gateway, Quantity.ACTIVE_POWER)
            session.get_one(DataPoint, point).unit = "W"
            samples = [
                Sample(point, to_ms(START) + 5000 * at, point * 1000.0 + at, Quality.GOOD) for at in range(5 * 720)
            ]
            samples[3] = samples[3]._replace(value=9e9, quality=Quality.SUSPECT)
            samples[4] = samples[4]._replace(value=None, quality=Quality.NOT_AVAILABLE)
            store(session, samples)
    return database


@pytest.fixture
def application(plant: Database, settings: Settings, clock: Clock, tmp_path: Path) -> Flask:
    server = Flask("monitor", static_folder=None)
    register_auth(server, database=plant, settings=settings)
    exports.register(server, plant, tmp_path / "exports", clock)
    return server


@pytest.fixture
def analyst(application: Flask) -> FlaskClient:
    return signed_in(application, "viewer")


def signed_in(application: Flask, name: str) -> FlaskClient:
    client = application.test_client()
    sign_in(client, name)
    client.environ_base["HTTP_X_CSRFTOKEN"] = form_token(client, "/account")
    return client


def begin(client: FlaskClient, query: str) -> TestResponse:
    return client.post(f"/history/export?{query}")


def finished(client: FlaskClient, query: str) -> dict[str, Any]:
    """Begin an export and wait until it is no longer running."""
    answer = begin(client, query)
    assert answer.status_code == 202, answer.text
    said: dict[str, Any] = answer.get_json()
    limit = monotonic() + 30
    while said["state"] == "running" and monotonic() < limit:
        sleep(0.01)
        said = client.get(said["url"]).get_json()
    return said


def exported(client: FlaskClient, query: str) -> bytes:
    said = finished(client, query)
    assert said["state"] == "done", said
    content: bytes = client.get(said["file_url"], buffered=True).data
    return content


def csv_rows(content: bytes) -> tuple[list[str], list[dict[str, str]]]:
    """The lines of comment, and the rows by column."""
    lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    comments = [line[0] for line in lines if line[0].startswith("# ")]
    header, *rows = lines[len(comments) :]
    return comments, [dict(zip(header, row, strict=True)) for row in rows]


# ---------------------------------------------------------------- what is in it


def test_readings_as_csv(analyst: FlaskClient) -> None:
    comments, rows = csv_rows(exported(analyst, QUERY + "format=csv"))
    assert len(rows) == 2 * 120
    assert rows[0] == {
        "time_utc": "2026-10-25T00:00:00.000Z",
        "local_time": "2026-10-25T02:00:00.000+02:00",
        "gateway": "North",
        "device": "Meter 1",
        "point": "active_power",
        "unit": "W",
        "value": "1000.0",
        "quality": "good",
    }
    assert (rows[3]["value"], rows[3]["quality"]) == ("9000000000.0", "suspect")
    assert (rows[4]["value"], rows[4]["quality"]) == ("", "not available")
    assert "# Points: North · Meter 1 · active_power; =South · Meter 1 · active_power" in comments
    assert "# Time zone: Europe/Berlin" in comments and "# Exported by: viewer" in comments
    assert "# Resolution: every reading" in comments


def test_the_hour_that_comes_twice_is_told_apart_by_its_offset(analyst: FlaskClient) -> None:
    query = "points=1&start=2026-10-25T00:30:00Z&end=2026-10-25T01:35:00Z&resolution=raw&format=csv"
    _, rows = csv_rows(exported(analyst, query))
    assert rows[0]["local_time"] == "2026-10-25T02:30:00.000+02:00"
    assert rows[720]["local_time"] == "2026-10-25T02:30:00.000+01:00"


def test_only_good_readings_when_they_are_asked_for(analyst: FlaskClient) -> None:
    _, rows = csv_rows(exported(analyst, QUERY + "quality=good&format=csv"))
    assert len(rows) == 2 * 118 and {row["quality"] for row in rows} == {"good"}


def test_an_export_is_what_is_drawn(analyst: FlaskClient, plant: Database) -> None:
    advance(plant, NOW)
    start_at, end_at = START + timedelta(minutes=7), START + timedelta(hours=5)
    with plant.read() as session:
        drawn = tracks(session, [1, 2], start_at, end_at, 200, now=NOW)
    _, rows = csv_rows(
        exported(analyst, "points=1,2&start=2026-10-25T00:07:00Z&end=2026-10-25T05:00:00Z&pixels=200&format=csv")
    )
    assert len(rows) == sum(map(len, drawn.values())) > 50
    of_north = [row for row in rows if row["gateway"] == "North"]
    assert [float(row["mean"]) for row in of_north] == drawn[1].values.tolist()
    assert [float(row["minimum"]) for row in of_north] == drawn[1].least.tolist()
    assert [int(row["count"]) for row in of_north] == drawn[1].counts.tolist()
    assert [int(row["bad_count"]) for row in of_north] == drawn[1].bad.tolist()


def test_a_level_can_be_asked_for(analyst: FlaskClient) -> None:
    _, rows = csv_rows(exported(analyst, QUERY + "resolution=1min&format=csv"))
    assert [row["count"] for row in rows] == ["10", *["12"] * 9] * 2


def test_the_zone_of_the_address_is_the_zone_of_the_file(analyst: FlaskClient) -> None:
    comments, rows = csv_rows(exported(analyst, QUERY + "zone=Asia/Kathmandu&format=csv"))
    assert rows[0]["local_time"] == "2026-10-25T05:45:00.000+05:45"
    assert "# Time zone: Asia/Kathmandu" in comments


def test_names_that_look_like_formulas_are_texts_in_csv(analyst: FlaskClient) -> None:
    _, rows = csv_rows(exported(analyst, QUERY + "format=csv"))
    assert {row["gateway"] for row in rows} == {"North", "'=South"}


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "\rx", 'a,"b"\n=c'])
def test_no_name_becomes_a_formula_or_another_cell(analyst: FlaskClient, plant: Database, name: str) -> None:
    with plant.write() as session:
        session.get_one(Device, 1).name = name
    _, rows = csv_rows(exported(analyst, QUERY + "format=csv"))
    assert rows[0]["device"].lstrip("'") == name and not rows[0]["device"].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert rows[0]["value"] == "1000.0"


def test_readings_as_xlsx(analyst: FlaskClient) -> None:
    book = openpyxl.load_workbook(io.BytesIO(exported(analyst, QUERY + "format=xlsx")))
    assert book.sheetnames == ["About", "Data"]
    about = {row[0].value: row[1].value for row in book["About"].iter_rows()}
    assert about["Exported by"] == "viewer" and about["Resolution"] == "every reading"
    header, *rows = [[cell.value for cell in row] for row in book["Data"].iter_rows()]
    assert header[-2:] == ["value", "quality"] and len(rows) == 240
    assert rows[0][-2:] == [1000, "good"] and rows[4][-2:] == [None, "not available"]
    cell = book["Data"]["C122"]
    assert (cell.value, cell.data_type) == ("=South", "s"), "a text, not a formula"


def test_a_full_sheet_is_followed_by_another(analyst: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_files, "SHEET_ROWS", 101)
    book = openpyxl.load_workbook(io.BytesIO(exported(analyst, QUERY + "format=xlsx")))
    assert book.sheetnames == ["About", "Data", "Data 2", "Data 3"]
    assert [book[name].max_row for name in book.sheetnames[1:]] == [101, 101, 41]
    assert book["Data 3"]["A1"].value == "time_utc"


def test_readings_as_parquet(analyst: FlaskClient) -> None:
    table = pyarrow.parquet.read_table(io.BytesIO(exported(analyst, QUERY + "format=parquet")))
    assert table.num_rows == 240
    first, fifth = table.slice(0, 1).to_pylist()[0], table.slice(4, 1).to_pylist()[0]
    assert first["time_utc"] == START and first["value"] == 1000.0 and first["gateway"] == "North"
    assert fifth["value"] is None and fifth["quality"] == "not available"
    assert table.schema.metadata[b"Exported by"] == b"viewer"


@pytest.mark.parametrize("form", ["csv", "xlsx", "parquet"])
def test_nothing_found_is_a_file_with_a_header(analyst: FlaskClient, form: str) -> None:
    said = finished(analyst, f"points=1&start=2020-01-01&end=2020-01-02&format={form}")
    assert (said["state"], said["rows"]) == ("done", 0)
    assert analyst.get(said["file_url"], buffered=True).data


def test_the_file_has_a_plain_name_and_is_not_kept_by_browsers(analyst: FlaskClient) -> None:
    said = finished(analyst, QUERY + "format=csv")
    answer = analyst.get(said["file_url"], buffered=True)
    assert answer.headers["Content-Disposition"] == ("attachment; filename=history-20261025-0200-to-20261025-0210.csv")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"


def test_progress_counts_the_rows(analyst: FlaskClient) -> None:
    said = finished(analyst, QUERY + "format=csv")
    assert (said["rows"], said["estimated"]) == (240, 242) and said["bytes"] > 10_000


# ---------------------------------------------------------------- what is refused, in words


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("points=1&format=pdf", "“pdf” is no format"),
        ("format=csv", "No point is picked"),
        ("points=1,99&format=csv", "point 99 is gone"),
        ("points=" + ",".join(map(str, range(1, 60))) + "&format=csv", "59 points are too many"),
        ("points=1&start=2026-10-26&end=2026-10-25&format=csv", "inside out"),
        ("points=1&zone=Mars/Phobos&format=csv", "is no time zone"),
        ("points=1&resolution=3s&format=csv", "“3s” is no resolution"),
        ("points=1&pixels=-4&format=csv", "is no width"),
        ("points=1,2&start=2021-10-25&end=2026-10-25&resolution=raw&format=csv", "choose a shorter range"),
        ("points=1&start=2025-10-25&end=2026-10-25&resolution=raw&format=xlsx", "CSV and Parquet hold more"),
    ],
)
def test_what_cannot_be_exported_is_refused_with_a_sentence(analyst: FlaskClient, query: str, words: str) -> None:
    answer = begin(analyst, query)
    assert answer.status_code == 400
    assert words in answer.get_json()["error"]


# ---------------------------------------------------------------- whose it is


def test_a_stranger_is_refused(application: Flask) -> None:
    stranger = application.test_client()
    assert begin(stranger, QUERY + "format=csv").status_code == 401
    assert stranger.get("/history/export/x").status_code == 401
    assert stranger.get("/history/export/x/file").status_code == 401


def test_a_request_of_another_site_is_refused(analyst: FlaskClient) -> None:
    headers = {"Origin": "http://evil.example"}
    assert analyst.post(f"/history/export?{QUERY}format=csv", headers=headers).status_code == 403
    del analyst.environ_base["HTTP_X_CSRFTOKEN"]
    assert begin(analyst, QUERY + "format=csv").status_code == 400


def test_another_users_export_is_not_there(application: Flask, analyst: FlaskClient) -> None:
    said = finished(analyst, QUERY + "format=csv")
    other = signed_in(application, "admin")
    for path in (said["url"], said["file_url"]):
        assert other.get(path, buffered=True).status_code == 404
    assert other.delete(said["url"]).status_code == 404
    assert analyst.get(said["file_url"], buffered=True).status_code == 200


def test_a_limited_viewer_gets_points_in_sight_only(application: Flask, analyst: FlaskClient, plant: Database) -> None:
    before = finished(analyst, QUERY + "format=csv")
    with plant.write() as session:
        viewer = find_user(session, "viewer")
        assert viewer is not None
        limit_user(session, viewer, [1])
    assert "point 2 is gone" in begin(analyst, QUERY + "format=csv").get_json()["error"]
    assert analyst.get(before["file_url"], buffered=True).status_code == 404, "it holds what may be seen no more"
    _, rows = csv_rows(exported(analyst, QUERY.replace("1,2", "1") + "format=csv"))
    assert {row["gateway"] for row in rows} == {"North"}


@pytest.mark.parametrize("job_id", ["nothing", "..", "%2e%2e", "a.b", "..%2f..%2fsecret_key"])
def test_an_unknown_export_is_a_sentence(analyst: FlaskClient, job_id: str) -> None:
    assert analyst.get(f"/history/export/{job_id}").status_code == 404


# ---------------------------------------------------------------- jobs


class Slow:
    """Rows that come when they are let go."""

    def __init__(self, parts: list[Any]) -> None:
        self.parts, self.go, self.asked = parts, Event(), Event()

    def __call__(self) -> Any:
        for part in self.parts:
            self.asked.set()
            self.go.wait(20)
            yield part


@pytest.fixture
def jobs(tmp_path: Path, clock: Clock) -> ExportJobs:
    return ExportJobs(tmp_path / "exports", clock, 1000)


ABOUT = About({"What": "Readings"}, BERLIN, True)


def job_of(jobs: ExportJobs, rows: Callable[[], Any], owner: str = "7") -> Job:
    return jobs.begin(owner, None, "csv", "history.csv", ABOUT, rows, 10)


def settled(jobs: ExportJobs, job: Job, owner: str = "7") -> Job:
    limit = monotonic() + 20
    while monotonic() < limit:
        found = jobs.find(job.id, owner, None)
        assert found is not None
        if found.state is not State.RUNNING:
            return found
        sleep(0.005)
    raise AssertionError("the export goes on and on")


def test_a_cancelled_export_ends_and_leaves_no_file(jobs: ExportJobs, plant: Database) -> None:
    slow = Slow(a_part(plant))
    job = job_of(jobs, slow)
    assert slow.asked.wait(20)
    jobs.cancel(job)
    slow.go.set()
    assert settled(jobs, job).state is State.CANCELLED
    limit = monotonic() + 20
    while jobs.path_of(job).exists() and monotonic() < limit:
        sleep(0.005)
    assert not jobs.path_of(job).exists()


def test_an_export_that_is_cancelled_as_it_ends_leaves_no_file(jobs: ExportJobs, plant: Database) -> None:
    def rows() -> Any:
        yield from a_part(plant)
        jobs.cancel(job)  # after the last look at the mark

    def begun() -> Any:
        assert Event().wait(0.2) is False  # the job is known by its name
        yield from rows()

    job = job_of(jobs, begun)
    assert settled(jobs, job).state is State.CANCELLED
    limit = monotonic() + 20
    while jobs.path_of(job).exists() and monotonic() < limit:
        sleep(0.005)
    assert not jobs.path_of(job).exists()


def a_part(plant: Database) -> list[Any]:
    from models.history_levels import RAW
    from models.history_rows import rows_between

    with plant.read() as session:
        points = facts_of(session, [1])
    return list(rows_between(plant, None, points, RAW, to_ms(START), to_ms(START) + 60_000))


def test_an_export_with_more_rows_than_expected_says_what_to_narrow(jobs: ExportJobs, plant: Database) -> None:
    slow = Slow(a_part(plant) * 90)
    slow.go.set()
    said = settled(jobs, job_of(jobs, slow))
    assert said.state is State.FAILED and said.problem is not None and "choose a shorter range" in said.problem


def test_a_third_export_at_once_has_to_wait(jobs: ExportJobs, plant: Database) -> None:
    slow = Slow(a_part(plant))
    first, second = job_of(jobs, slow), job_of(jobs, slow)
    with pytest.raises(Exception, match="2 of your exports are being written already"):
        job_of(jobs, slow)
    third = [job_of(jobs, slow, "8"), job_of(jobs, slow, "8")]
    with pytest.raises(Exception, match="Others are exporting just now"):
        job_of(jobs, slow, "9")
    slow.go.set()
    assert {settled(jobs, job).state for job in (first, second)} == {State.DONE}
    assert {settled(jobs, job, "8").state for job in third} == {State.DONE}


def test_an_export_of_a_program_that_was_killed_has_failed(tmp_path: Path, clock: Clock, plant: Database) -> None:
    before = ExportJobs(tmp_path, clock, 1000)
    slow = Slow(a_part(plant))
    job = job_of(before, slow)
    assert slow.asked.wait(20)
    clock.now += timedelta(minutes=3)
    found = ExportJobs(tmp_path, clock, 1000).find(job.id, "7", None)
    assert found is not None and (found.state, found.problem) == (State.FAILED, ENDED_EARLY)
    slow.go.set()


def test_files_are_gone_after_an_hour(jobs: ExportJobs, clock: Clock, plant: Database) -> None:
    slow = Slow(a_part(plant))
    slow.go.set()
    job = settled(jobs, job_of(jobs, slow))
    clock.now += timedelta(minutes=59)
    jobs.clean_up()
    assert jobs.path_of(job).exists()
    clock.now += timedelta(minutes=2)
    jobs.clean_up()
    assert not jobs.path_of(job).parent.exists() and jobs.find(job.id, "7", None) is None


def test_another_process_of_the_same_folder_knows_it(tmp_path: Path, clock: Clock, plant: Database) -> None:
    slow = Slow(a_part(plant))
    slow.go.set()
    job = settled(jobs := ExportJobs(tmp_path, clock, 1000), job_of(jobs, slow))
    other = ExportJobs(tmp_path, clock, 1000).find(job.id, "7", None)
    assert other == job and other is not None and other.rows == 12


def test_a_disk_that_is_full_is_told(tmp_path: Path, clock: Clock, plant: Database) -> None:
    def full() -> Any:
        yield from a_part(plant)
        raise OSError(28, "No space left on device")

    jobs = ExportJobs(tmp_path, clock, 1000)
    said = settled(jobs, job_of(jobs, full))
    assert (said.state, said.problem) == (State.FAILED, DISK_FULL)
    assert not jobs.path_of(said).exists()


def test_memory_holds_no_more_than_a_part_at_once(tmp_path: Path, plant: Database) -> None:
    """A CSV file is on disk as it grows."""
    path = tmp_path / "export.csv"
    file = CsvFile(path, ABOUT)
    part = a_part(plant)[0]
    for _ in range(2000):
        file.add(part)
    assert path.stat().st_size > 1_000_000
    file.close()
