"""The normal range of a gateway's power, and the log of polls."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("gateway", sa.Column("normal_low_w", sa.Double))
    op.add_column("gateway", sa.Column("normal_high_w", sa.Double))
    op.create_table(
        "poll",
        sa.Column("started_at_ms", sa.BigInteger, nullable=False),
        sa.Column("gateway_id", sa.Integer, nullable=False),
        sa.Column("duration_ms", sa.Double, nullable=False),
        sa.Column("latency_ms", sa.Double),
        sa.Column("outcome", sa.String(1), nullable=False),
        sa.Column("error", sa.String(300)),
        sa.Column("reading_count", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("started_at_ms", "gateway_id", name="pk_poll"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("poll")
    op.drop_column("gateway", "normal_high_w")
    op.drop_column("gateway", "normal_low_w")
