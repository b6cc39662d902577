"""The plant, its readings, the event log and the users.

Ids are never used again (AUTOINCREMENT on SQLite): readings and events of a deleted thing must not become another's.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

VIEW = """
    CREATE VIEW reading_all AS
    SELECT data_point_id, read_at, value, quality FROM reading_recent
    UNION ALL
    SELECT settled.data_point_id, settled.read_at, settled.value, settled.quality FROM reading AS settled
    WHERE settled.read_at < (SELECT coalesce(min(read_at), 9223372036854775807) FROM reading_recent)
    OR NOT EXISTS (
        SELECT 1 FROM reading_recent AS recent
        WHERE recent.read_at = settled.read_at AND recent.data_point_id = settled.data_point_id)"""


def upgrade() -> None:
    create_plant()
    create_readings()
    create_users()
    create_event_log()


def create_plant() -> None:
    op.create_table(
        "site",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("contract_power_w", sa.Double),
        sa.Column("is_simulated", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_site"),
        sa.UniqueConstraint("name", name="uq_site_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "gateway",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("site_id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("area", sa.String(100), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("poll_interval_s", sa.Double, nullable=False),
        sa.Column("connect_timeout_s", sa.Double, nullable=False),
        sa.Column("request_timeout_s", sa.Double, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("status", sa.String(24), nullable=False),
        sa.Column("status_since_at", sa.BigInteger),
        sa.Column("status_reason", sa.String(300), nullable=False),
        sa.Column("recent_outcomes", sa.String(10), nullable=False),
        sa.Column("last_attempt_at", sa.BigInteger),
        sa.Column("last_success_at", sa.BigInteger),
        sa.Column("success_count", sa.Integer, nullable=False),
        sa.Column("failure_count", sa.Integer, nullable=False),
        sa.Column("latency_p95_ms", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_gateway"),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name="fk_gateway_site_id"),
        sa.UniqueConstraint("name", name="uq_gateway_name"),
        sa.UniqueConstraint("host", "port", name="uq_gateway_host"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "device",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("gateway_id", sa.Integer, nullable=False),
        sa.Column("unit_id", sa.Integer, nullable=False),
        sa.Column("template", sa.String(64), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_device"),
        sa.ForeignKeyConstraint(["gateway_id"], ["gateway.id"], name="fk_device_gateway_id", ondelete="CASCADE"),
        sa.UniqueConstraint("gateway_id", "unit_id", name="uq_device_gateway_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "data_point",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("device_id", sa.Integer, nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("label", sa.String(100), nullable=False),
        sa.Column("register_table", sa.String(24), nullable=False),
        sa.Column("address", sa.Integer, nullable=False),
        sa.Column("data_type", sa.String(24), nullable=False),
        sa.Column("word_order", sa.String(24), nullable=False),
        sa.Column("word_count", sa.Integer, nullable=False),
        sa.Column("bit", sa.Integer),
        sa.Column("scale", sa.Double, nullable=False),
        sa.Column("value_offset", sa.Double, nullable=False),
        sa.Column("not_available", sa.JSON, nullable=False),
        sa.Column("unit", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("quantity", sa.String(24)),
        sa.Column("plausible_min", sa.Double),
        sa.Column("plausible_max", sa.Double),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_data_point"),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name="fk_data_point_device_id", ondelete="CASCADE"),
        sa.UniqueConstraint("device_id", "key", name="uq_data_point_device_id"),
        sqlite_autoincrement=True,
    )
    version = op.create_table(
        "configuration_version",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_configuration_version"),
    )
    op.bulk_insert(version, [{"id": 1, "version": 1}])


def create_readings() -> None:
    op.create_table(
        "reading_recent",
        sa.Column("read_at", sa.BigInteger, nullable=False),
        sa.Column("data_point_id", sa.Integer, nullable=False),
        sa.Column("value", sa.Double),
        sa.Column("quality", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("read_at", "data_point_id", name="pk_reading_recent"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "reading",
        sa.Column("data_point_id", sa.Integer, nullable=False),
        sa.Column("read_at", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Double),
        sa.Column("quality", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("data_point_id", "read_at", name="pk_reading"),
        sqlite_with_rowid=False,
        postgresql_partition_by="RANGE (read_at)",
    )
    op.create_table(
        "latest_reading",
        sa.Column("data_point_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("read_at", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Double),
        sa.Column("quality", sa.SmallInteger, nullable=False),
        sa.Column("text", sa.Text),
        sa.PrimaryKeyConstraint("data_point_id", name="pk_latest_reading"),
    )
    op.create_table(
        "text_reading",
        sa.Column("data_point_id", sa.Integer, nullable=False),
        sa.Column("read_at", sa.BigInteger, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("data_point_id", "read_at", name="pk_text_reading"),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "postgresql":  # SQLite scans so few rows faster than it would keep an index
        op.create_index("ix_reading_recent_data_point_id", "reading_recent", ["data_point_id", "read_at"])
    op.execute(VIEW)


def create_users() -> None:
    op.create_table(
        "user",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("folded_name", sa.String(192), nullable=False),
        sa.Column("role", sa.String(24), nullable=False),
        sa.Column("password_hash", sa.String(200)),
        sa.Column("link_hash", sa.String(64)),
        sa.Column("link_expires_at", sa.BigInteger),
        sa.Column("session_version", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_sign_in_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_user"),
        sa.UniqueConstraint("folded_name", name="uq_user_folded_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "open_session",
        sa.Column("session_key", sa.String(64), nullable=False),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("session_version", sa.Integer, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("session_key", name="pk_open_session"),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_open_session_user_id", ondelete="CASCADE"),
    )
    op.create_index("ix_open_session_user_id", "open_session", ["user_id"])


def create_event_log() -> None:
    op.create_table(
        "event_log",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("severity", sa.String(24), nullable=False),
        sa.Column("gateway_id", sa.Integer),
        sa.Column("device_id", sa.Integer),
        sa.Column("data_point_id", sa.Integer),
        sa.Column("user_id", sa.Integer),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event_log"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event_log_at", "event_log", ["at"])
    op.create_index("ix_event_log_kind", "event_log", ["kind", "at"])


def downgrade() -> None:
    op.execute("DROP VIEW reading_all")
    for table in (
        "event_log",
        "open_session",
        "user",
        "text_reading",
        "latest_reading",
        "reading",
        "reading_recent",
        "configuration_version",
        "data_point",
        "device",
        "gateway",
        "site",
    ):
        op.drop_table(table)
