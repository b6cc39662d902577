"""The schema of the database, brought up to date; apart from the engines: alembic takes time and memory to load."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from models.database import NAME_ANOTHER, Database, DatabaseUnusable, explained

MIGRATION_LOCK = 7_202_310  # of PostgreSQL's advisory locks; any number, the same in all processes


def upgrade(database: Database) -> None:
    """Bring the schema from whatever it is, nothing or an earlier version's, to this program's; once is enough.

    All or nothing happens, and of several processes one does it while the others wait. Raises DatabaseUnusable.
    """
    with explained(database), database.engine.connect() as connection:
        connection.execution_options(write=True)
        with connection.begin():
            if not database.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            _refuse_foreign(connection, database.name)
            command.upgrade(migrations(connection), "head")
            connection.execute(text("UPDATE alembic_version SET version_num = version_num"))  # fails when read-only


def is_current(database: Database) -> bool:
    """Whether the schema is exactly this program's. Raises DatabaseUnusable when the database can't be asked."""
    with explained(database), database.engine.connect() as connection:
        return _revision(connection) == ScriptDirectory.from_config(migrations(connection)).get_current_head()


def is_usable(database: Database) -> bool:
    """Whether the database can be asked now and has exactly this program's schema."""
    try:
        return is_current(database)
    except (SQLAlchemyError, DatabaseUnusable):
        return False


def migrations(connection: Connection) -> Config:
    """What alembic's commands need to work on this connection."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_foreign(connection: Connection, name: str) -> None:
    """Tables that another program, or a newer version of this one, has made are not touched."""
    revision = _revision(connection)
    if revision is None and inspect(connection).has_table("site"):
        raise DatabaseUnusable(f"{name} holds another program's tables; {NAME_ANOTHER}")
    known = {script.revision for script in ScriptDirectory.from_config(migrations(connection)).walk_revisions()}
    if revision is not None and revision not in known:
        raise DatabaseUnusable(
            f"{name} was written by a newer version of the program (schema {revision}, newest known {max(known)}); "
            f"install that version, or {NAME_ANOTHER}"
        )
