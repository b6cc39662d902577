"""Rollups, the energy of counters, and the rated power of a connection; what is stored already is rolled up anew."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

LEVELS = {"rollup_minute": True, "rollup_quarter": True, "rollup_hour": False, "rollup_day": False}  # partitioned?

# Nothing is rolled up yet: the running program begins with the first reading there is and catches up, newest last.
# Until then charts read what is not rolled up from the readings, however old.
BEGIN = "INSERT INTO rollup_state VALUES (1, 0, 0, 0, NULL, 0, 0)"


def upgrade() -> None:
    op.add_column("device", sa.Column("rated_power_w", sa.Double))
    for name, is_partitioned in LEVELS.items():
        create_rollup(name, is_partitioned)
    op.create_table(
        "energy_day",
        sa.Column("data_point_id", sa.Integer, nullable=False),
        sa.Column("start_at", sa.BigInteger, nullable=False),
        sa.Column("amounts", sa.LargeBinary, nullable=False),
        sa.Column("marks", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("data_point_id", "start_at", name="pk_energy_day"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rollup_mark",
        sa.Column("data_point_id", sa.Integer, nullable=False),
        sa.Column("start_at", sa.BigInteger, nullable=False),
        sa.Column("end_at", sa.BigInteger, nullable=False),
        sa.Column("stamp", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("data_point_id", "start_at", "end_at", name="pk_rollup_mark"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rollup_state",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("rolled_until_ms", sa.BigInteger, nullable=False),
        sa.Column("closed_until_ms", sa.BigInteger, nullable=False),
        sa.Column("raw_from_ms", sa.BigInteger, nullable=False),
        sa.Column("checked_at_ms", sa.BigInteger),
        sa.Column("checked_count", sa.Integer, nullable=False),
        sa.Column("differing_count", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rollup_state"),
    )
    op.execute(BEGIN)
    op.create_table(
        "rescaling",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("data_point_id", sa.Integer, nullable=False),
        sa.Column("before_ms", sa.BigInteger, nullable=False),
        sa.Column("raw_from_ms", sa.BigInteger, nullable=False),
        sa.Column("old_scale", sa.Double, nullable=False),
        sa.Column("old_offset", sa.Double, nullable=False),
        sa.Column("new_scale", sa.Double, nullable=False),
        sa.Column("new_offset", sa.Double, nullable=False),
        sa.Column("phase", sa.Integer, nullable=False),
        sa.Column("done_until_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rescaling"),
        sqlite_autoincrement=True,
    )


def create_rollup(name: str, is_partitioned: bool) -> None:
    options: dict[str, Any] = {"postgresql_partition_by": "RANGE (start_at)"} if is_partitioned else {}
    op.create_table(
        name,
        sa.Column("data_point_id", sa.Integer, nullable=False),
        sa.Column("start_at", sa.BigInteger, nullable=False),
        sa.Column("value_min", sa.Double),
        sa.Column("value_max", sa.Double),
        sa.Column("value_sum", sa.Double),
        sa.Column("value_count", sa.Integer, nullable=False),
        sa.Column("value_first", sa.Double),
        sa.Column("value_last", sa.Double),
        sa.Column("bad_count", sa.Integer, nullable=False),
        sa.Column("increase", sa.Double),
        sa.Column("mark", sa.SmallInteger),
        sa.PrimaryKeyConstraint("data_point_id", "start_at", name=f"pk_{name}"),
        sqlite_with_rowid=False,
        **options,
    )


def downgrade() -> None:
    for name in ("rescaling", "rollup_state", "rollup_mark", "energy_day", *reversed(LEVELS)):
        op.drop_table(name)
    op.drop_column("device", "rated_power_w")
