"""`backup`, `verify`, `restore` and `move-database`: all of a database in a file, and in another place."""

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import click

from commands.alone import alone
from models.backup import make_backup
from models.backup_file import check_backup, read_manifest
from models.copying import Advance, Progress
from models.database import Database, DatabaseUnusable, explained
from models.restoring import move, restore
from models.store_check import check_store
from settings import Settings

PROJECT = Path(__file__).parent.parent / "pyproject.toml"
NICENESS = 5  # polls and people go first
TOLD_EVERY_S = 0.2
TOLD_IN_A_FILE_EVERY_S = 5.0
FILE = click.Path(dir_okay=False, path_type=Path)
WRONG = 1


@click.command("backup")
@click.argument("file", type=FILE)
@click.option("--force", is_flag=True, help="Replace FILE if it is there already.")
@click.pass_obj
def backup(settings: Settings, file: Path, force: bool) -> None:
    """Write all of the database, as of one moment, to FILE; the program may run.

    FILE holds the hashes of passwords and tokens: keep it as private as the database. The secret key is not in it.
    """
    began = time.monotonic()
    with _in_background(), _opened(settings) as database, telling() as progress:
        made = make_backup(database, file, datetime.now(UTC), version(), progress, replace=force)
    took_s = time.monotonic() - began
    click.echo(f"{file}: {made.row_count:,} rows, {size(made.size_bytes)}, in {took_s:.1f} s.")


@click.command("verify")
@click.argument("file", type=FILE, required=False)
@click.pass_context
def verify(context: click.Context, file: Path | None) -> None:
    """Check a backup, or without FILE the database; the program may run. Exit code 1 says that something is wrong."""
    settings: Settings = context.obj
    with _in_background(), telling() as progress:
        if file is not None:
            problems, name = check_backup(file, progress), str(file)
        else:
            with _opened(settings) as database, explained(database):
                problems, name = check_store(database, datetime.now(UTC), progress), database.name
    for problem in problems:
        click.echo(f"{name}: {problem}")
    if problems:
        context.exit(WRONG)
    click.echo(f"{name} is well." if file is None else f"{name} is well: {_told(file)}.")


def _told(file: Path) -> str:
    manifest = read_manifest(file)
    rows = sum(content.row_count for content in manifest.contents.values())
    about = manifest.about
    return f"{rows:,} rows of {about.made:%Y-%m-%d %H:%M:%S} UTC, from {about.source}, schema {about.revision}"


@click.command("restore")
@click.argument("file", type=FILE)
@click.option("--replace", is_flag=True, help="Put the database that is there aside.")
@click.pass_obj
def restore_command(settings: Settings, file: Path, replace: bool) -> None:
    """Make FILE the database; the program must not run. What was there before is kept under another name."""
    with alone(settings), telling() as progress:
        restored = restore(file, settings.database_url, datetime.now(UTC), progress, replace=replace)
    if restored.kept is not None:
        click.echo(f"What was there before is kept: {restored.kept}")
    click.echo(f"{restored.row_count:,} rows are restored; the program can be started.")


@click.command("move-database")
@click.argument("target_url")
@click.pass_obj
def move_database(settings: Settings, target_url: str) -> None:
    """Carry everything to an empty database: move-database postgresql+psycopg://user:password@host/name.

    From SQLite to PostgreSQL or back; the program must not run. The old database stays as it is.
    """
    target = checked_url(settings, target_url)
    began = time.monotonic()
    with alone(settings), _opened(settings) as database, telling() as progress:
        moved = move(database, target, datetime.now(UTC), progress)
    took_s = time.monotonic() - began
    click.echo(
        f"{moved.row_count:,} rows in {len(moved.contents)} tables are there, compared one by one, "
        f"in {took_s:.1f} s ({moved.row_count / took_s:,.0f} rows/s). From now on, in .env:"
    )
    click.echo(f"MONITOR_DATABASE_URL={target}")


def checked_url(settings: Settings, target_url: str) -> str:
    """The URL of another database. Raises BadSettings for one that can't be, UsageError for the same one."""
    target = Settings.load(**(settings.model_dump(include={"data_folder"}) | {"database_url": target_url})).database_url
    if target == settings.database_url:
        raise click.UsageError("that is the database in use; name another one")
    return target


def version() -> str:
    """The program's version, as its project file says."""
    lines = PROJECT.read_text(encoding="utf-8").splitlines() if PROJECT.exists() else []
    return next((line.split('"')[1] for line in lines if line.startswith("version = ")), "unknown")


@contextmanager
def _opened(settings: Settings) -> Iterator[Database]:
    """The database as it is: not brought up to date, nor made."""
    database = Database(settings.database_url)
    if database.is_sqlite and not Path(database.name).is_file():
        raise DatabaseUnusable(f"there is no database {database.name}; MONITOR_DATABASE_URL names another one")
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _in_background() -> Iterator[None]:
    """Leave the processor to others, and the millions of short-lived rows out of the garbage collector's rounds."""
    with suppress(OSError, AttributeError):  # Windows has no niceness
        os.nice(NICENESS)
    thresholds = gc.get_threshold()
    gc.set_threshold(100_000, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


# ---------------------------------------------------------------- progress


@contextmanager
def telling() -> Iterator[Progress]:
    """Tells on standard error how far it is: in one line that changes, or in a file now and then."""
    is_terminal = sys.stderr.isatty()
    teller = Teller(time.monotonic, TOLD_EVERY_S if is_terminal else TOLD_IN_A_FILE_EVERY_S)

    def tell(advance: Advance) -> None:
        words = teller.words(advance)
        if words is not None:
            click.echo(f"\r{words:<78}" if is_terminal else words, err=True, nl=not is_terminal)

    try:
        yield tell
    finally:
        if is_terminal:
            click.echo(f"\r{'':<78}\r", err=True, nl=False)


class Teller:
    """Puts an advance into words, not too often; the rate is that of the work at hand."""

    def __init__(self, clock: Callable[[], float], every_s: float) -> None:
        self._clock = clock
        self._every_s = every_s
        self._work = ""
        self._began = self._told = clock()

    def words(self, advance: Advance) -> str | None:
        """What to tell now; None when something was told a moment ago."""
        now = self._clock()
        is_new = advance.work != self._work
        if is_new:
            self._work, self._began = advance.work, now
        if not is_new and now - self._told < self._every_s:
            return None
        self._told = now
        return f"{advance.work}: {_done(advance)}{_left(advance, now - self._began)}"


def _done(advance: Advance) -> str:
    if not advance.total:
        return "..."
    share = f"{100 * advance.done / advance.total:.0f} %"
    if advance.unit == "bytes":
        return f"{size(advance.done)} of {size(advance.total)} ({share})"
    return f"{advance.done:,} of about {advance.total:,} {advance.unit} ({share})"


def _left(advance: Advance, took_s: float) -> str:
    if took_s < 1 or not advance.done:
        return ""
    rate = advance.done / took_s
    left_s = (advance.total - advance.done) / rate
    each = f", {rate:,.0f} {advance.unit}/s" if advance.unit == "rows" else ""
    return f"{each}, {left_s:,.0f} s left"


def size(size_bytes: int) -> str:
    """A size for people."""
    return f"{size_bytes / 1e9:,.2f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:,.1f} MB"
