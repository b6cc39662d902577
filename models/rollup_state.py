"""How far rollups go: the one row that says up to when readings are closed and rolled up."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

COLUMNS = "rolled_until_ms, closed_until_ms, raw_from_ms"
FIRST = "INSERT INTO rollup_state VALUES (1, 0, 0, 0, NULL, 0, 0) ON CONFLICT DO NOTHING"


@dataclass(frozen=True, slots=True)
class Extent:
    """Times in ms: rolled up is all before `rolled_until`, closed all before `closed_until`, and nothing before
    `raw_from` is computed anew."""

    rolled_until_ms: int = 0
    closed_until_ms: int = 0
    raw_from_ms: int = 0


def extent(connection: Connection) -> Extent:
    row = connection.execute(text(f"SELECT {COLUMNS} FROM rollup_state")).first()  # noqa: S608 (names only)
    return Extent() if row is None else Extent(*row)


def close(connection: Connection, until_ms: int) -> None:
    """From now on a reading before this time marks its span; waits for those that are being stored without."""
    connection.execute(text(FIRST))
    connection.execute(
        text("UPDATE rollup_state SET closed_until_ms = :ms WHERE closed_until_ms < :ms"), {"ms": until_ms}
    )


def rolled(connection: Connection, until_ms: int) -> None:
    """Rollups are there for all before this time."""
    connection.execute(
        text("UPDATE rollup_state SET rolled_until_ms = :ms WHERE closed_until_ms >= :ms AND rolled_until_ms < :ms"),
        {"ms": until_ms},
    )


def keep_raw_from(connection: Connection, ms: int) -> None:
    """Nothing before this time is computed anew any more."""
    connection.execute(text("UPDATE rollup_state SET raw_from_ms = :ms WHERE raw_from_ms < :ms"), {"ms": ms})
