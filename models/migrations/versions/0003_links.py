"""Links that are slow and break: measured time-outs, what was late, lost, refused, silent or missed; writing."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def added() -> dict[str, list[sa.Column[Any]]]:
    """The new columns by table; made anew at each call, since a column belongs to one table once it is used."""
    return {"gateway": gateway_columns(), "data_point": data_point_columns(), "poll": poll_columns()}


def gateway_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("first_timeout_s", sa.Double, nullable=False, server_default="5"),
        sa.Column("shortest_timeout_s", sa.Double, nullable=False, server_default="1.5"),
        sa.Column("longest_timeout_s", sa.Double, nullable=False, server_default="30"),
        sa.Column("connect_pause_s", sa.Double, nullable=False, server_default="0"),
        sa.Column("request_gap_s", sa.Double, nullable=False, server_default="0"),
        sa.Column("release_socket", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("data_budget_mb", sa.Double),
        sa.Column("late_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("lost_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("missed_count", sa.Integer, nullable=False, server_default="0"),
    ]


def data_point_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("scale_address", sa.Integer),
        sa.Column("sunspec_models", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("modulus", sa.Double),
        sa.Column("writable", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("write_min", sa.Double),
        sa.Column("write_max", sa.Double),
    ]


def poll_columns() -> list[sa.Column[Any]]:
    counts = ("request_count", "late_count", "lost_count", "byte_count", "missed_count", "held_count")
    return [sa.Column(name, sa.Integer, nullable=False, server_default="0") for name in counts]


def upgrade() -> None:
    for table, columns in added().items():
        for column in columns:
            op.add_column(table, column)
    op.execute("UPDATE gateway SET first_timeout_s = request_timeout_s")
    op.drop_column("gateway", "request_timeout_s")
    create_refusals()
    create_writes()
    op.create_table(
        "spool_position",
        sa.Column("spool_id", sa.String(36), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("spool_id", name="pk_spool_position"),
    )


def create_refusals() -> None:
    op.create_table(
        "point_refusal",
        sa.Column("data_point_id", sa.Integer, nullable=False),
        sa.Column("exception_code", sa.Integer, nullable=False),
        sa.Column("since_at", sa.BigInteger, nullable=False),
        sa.Column("retry_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("data_point_id", name="pk_point_refusal"),
        sa.ForeignKeyConstraint(
            ["data_point_id"], ["data_point.id"], name="fk_point_refusal_data_point_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "unit_silence",
        sa.Column("device_id", sa.Integer, nullable=False),
        sa.Column("since_at", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(300), nullable=False),
        sa.PrimaryKeyConstraint("device_id", name="pk_unit_silence"),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_unit_silence_device_id", ondelete="CASCADE"),
    )


def create_writes() -> None:
    op.create_table(
        "write_request",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("data_point_id", sa.Integer, nullable=False),
        sa.Column("value_text", sa.String(300), nullable=False),
        sa.Column("requested_by", sa.Integer, nullable=False),
        sa.Column("requested_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("result", sa.String(300), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_write_request"),
        sa.ForeignKeyConstraint(
            ["data_point_id"], ["data_point.id"], name="fk_write_request_data_point_id", ondelete="CASCADE"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_write_request_state", "write_request", ["state"])


def downgrade() -> None:
    for table in ("spool_position", "write_request", "unit_silence", "point_refusal"):
        op.drop_table(table)
    op.add_column("gateway", sa.Column("request_timeout_s", sa.Double, nullable=False, server_default="5"))
    op.execute("UPDATE gateway SET request_timeout_s = first_timeout_s")
    for table, columns in added().items():
        for column in columns:
            op.drop_column(table, column.name)
