"""Exports that are being written, and those that wait to be fetched: a folder each, which all web processes see.

A job's folder holds `job.json`, how far it is; the file; and `cancelled` once nobody wants it any more.
"""

import json
import logging
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from dashboard.export_files import FILES, About, ExportFile
from models.access import Sight
from models.database import from_ms, to_ms
from models.history_rows import Rows

logger = logging.getLogger(__name__)

KEPT = timedelta(hours=1)
SILENT = timedelta(minutes=2)  # a job that has said nothing for so long was ended with its process
NOTED_EVERY = timedelta(milliseconds=250)
MOST_PER_OWNER, MOST_AT_ONCE = 2, 4
FEWEST_FREE_BYTES = 256 * 2**20  # of the disk: readings come first
ID_BYTES = 12

ENDED_EARLY = "The server was started anew while the file was written; begin the export again."
DISK_FULL = "The disk has no room for the file; narrow the range, or make room."
DATABASE_AWAY = "The database was out of reach while the file was written; begin the export again in a moment."
BROKEN = "The file could not be written; the log of the server says why. Begin the export again."


class State(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TooManyExports(Exception):
    """Another one would be too many; the message says what to do."""


class ExportFailed(Exception):
    """The export ends here; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Job:
    """An export, as `job.json` says it. sight: of the owner when it was begun; problem: a sentence when it failed."""

    id: str
    owner: str
    sight: tuple[int, ...] | None
    form: str
    name: str
    begun_ms: int
    noted_ms: int
    estimated: int
    rows: int = 0
    bytes: int = 0
    state: State = State.RUNNING
    problem: str | None = None

    def may_be_seen_by(self, owner: str, sight: Sight) -> bool:
        """Only by its owner, and no more once the owner may not see all that is in it."""
        return self.owner == owner and (sight is None or (self.sight is not None and sight.issuperset(self.sight)))


class ExportJobs:
    """clock: the time. folder: made when it is needed."""

    def __init__(self, folder: Path, clock: Callable[[], datetime], most_rows: int) -> None:
        self._folder = folder
        self._clock = clock
        self._most_rows = most_rows
        self._lock = threading.Lock()

    def begin(
        self,
        owner: str,
        sight: Sight,
        form: str,
        name: str,
        about: About,
        rows: Callable[[], Iterator[Rows]],
        estimated: int,
    ) -> Job:
        """Write rows in a thread of its own; raises TooManyExports, and ExportFailed when the disk is full."""
        with self._lock:
            self.clean_up()
            self._check_room(owner)
            now_ms = to_ms(self._clock())
            kept_sight = None if sight is None else tuple(sorted(sight))
            job = Job(secrets.token_urlsafe(ID_BYTES), owner, kept_sight, form, name, now_ms, now_ms, estimated)
            (self._folder / job.id).mkdir(parents=True)
            self._note(job)
        threading.Thread(target=self._work, args=(job, about, rows), name=f"export-{job.id}", daemon=True).start()
        return job

    def _check_room(self, owner: str) -> None:
        running = [job for job in self._all() if job.state is State.RUNNING]
        if sum(job.owner == owner for job in running) >= MOST_PER_OWNER:
            raise TooManyExports(
                f"{MOST_PER_OWNER} of your exports are being written already; wait for one, or cancel it."
            )
        if len(running) >= MOST_AT_ONCE:
            raise TooManyExports("Others are exporting just now; try again in a minute.")
        self._folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self._folder).free < FEWEST_FREE_BYTES:
            raise ExportFailed(DISK_FULL)

    def find(self, job_id: str, owner: str, sight: Sight) -> Job | None:
        """The job, if it is there and this owner's."""
        job = self._read(job_id)
        return job if job is not None and job.may_be_seen_by(owner, sight) else None

    def path_of(self, job: Job) -> Path:
        return self._folder / job.id / f"export.{job.form}"

    def cancel(self, job: Job) -> None:
        """What is being written ends soon; what is there goes at once."""
        if job.state is State.RUNNING:
            self._cancel_mark(job.id).touch()
            now = self._read(job.id)  # a thread that looked at the mark before has said already that it is done
            self._note(replace(job, state=State.CANCELLED))
            if now is not None and now.state is State.DONE:
                self.path_of(job).unlink(missing_ok=True)
        else:
            self._remove(job.id)

    def clean_up(self) -> None:
        """Delete what nobody fetched in an hour, and what is no job."""
        oldest = self._clock() - KEPT
        for folder in self._folder.iterdir() if self._folder.is_dir() else ():
            job = self._read(folder.name)
            if job is None or from_ms(job.noted_ms) < oldest:
                self._remove(folder.name)

    def _remove(self, job_id: str) -> None:
        shutil.rmtree(self._folder / job_id, ignore_errors=True)

    def _all(self) -> list[Job]:
        folders = self._folder.iterdir() if self._folder.is_dir() else ()
        return [job for folder in folders if (job := self._read(folder.name)) is not None]

    def _read(self, job_id: str) -> Job | None:
        if not job_id.replace("-", "").replace("_", "").isalnum():
            return None
        try:
            said = json.loads((self._folder / job_id / "job.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        sight = None if said["sight"] is None else tuple(said["sight"])
        job = Job(**said | {"state": State(said["state"]), "sight": sight})
        is_silent = self._clock() - from_ms(job.noted_ms) > SILENT
        if job.state is State.RUNNING and self._cancel_mark(job_id).exists():
            return replace(job, state=State.CANCELLED)
        return (
            replace(job, state=State.FAILED, problem=ENDED_EARLY) if job.state is State.RUNNING and is_silent else job
        )

    def _note(self, job: Job) -> Job:
        """Write down how far a job is; whole or not at all."""
        noted = replace(job, noted_ms=to_ms(self._clock()))
        place = self._folder / job.id / "job.json"
        with suppress(FileNotFoundError):  # cleaned up meanwhile
            draft = place.with_suffix(f".{threading.get_ident()}")
            draft.write_text(json.dumps(asdict(noted)), encoding="utf-8")
            draft.replace(place)
        return noted

    def _cancel_mark(self, job_id: str) -> Path:
        return self._folder / job_id / "cancelled"

    # ---------------------------------------------------------------- the thread

    def _work(self, job: Job, about: About, rows: Callable[[], Iterator[Rows]]) -> None:
        path = self.path_of(job)
        try:
            job = self._fill(job, FILES[job.form](path, about), rows())
        except ExportFailed as error:
            job = replace(job, state=State.FAILED, problem=str(error))
        except OSError as error:
            logger.warning("export %s: cannot be written (%s)", job.id, error)
            job = replace(job, state=State.FAILED, problem=DISK_FULL)
        except SQLAlchemyError as error:
            logger.warning("export %s: the database is out of reach (%s)", job.id, str(error).partition("\n")[0])
            job = replace(job, state=State.FAILED, problem=DATABASE_AWAY)
        except Exception:  # whatever it is, the page must be told
            logger.exception("export %s: failed", job.id)
            job = replace(job, state=State.FAILED, problem=BROKEN)
        self._note(job)
        if job.state is State.DONE and self._cancel_mark(job.id).exists():
            job = self._note(replace(job, state=State.CANCELLED))
        if job.state is not State.DONE:
            path.unlink(missing_ok=True)

    def _fill(self, job: Job, file: ExportFile, rows: Iterator[Rows]) -> Job:
        path, count = self.path_of(job), 0
        with closing(file):
            for part in rows:
                if self._cancel_mark(job.id).exists() or not path.parent.exists():
                    return replace(job, state=State.CANCELLED)
                count += len(part)
                if count > self._most_rows:
                    raise ExportFailed(too_many_rows(count, self._most_rows))
                file.add(part)
                if self._clock() - from_ms(job.noted_ms) >= NOTED_EVERY:
                    job = self._note(replace(job, rows=count, bytes=path.stat().st_size if path.exists() else 0))
        return replace(job, rows=count, bytes=path.stat().st_size, state=State.DONE)


def too_many_rows(rows: int, most: int) -> str:
    return (
        f"That is about {rows:,} rows, and {most:,} are possible: choose a shorter range, fewer points or a coarser "
        "resolution."
    )
