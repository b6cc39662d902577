"""What a meter stands for, what energy costs and how much CO2 it stands for, and the reports made of it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("device", sa.Column("role", sa.String(24)))
    op.create_table(
        "tariff",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("site_id", sa.Integer, nullable=False),
        sa.Column("valid_from", sa.String(10), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("terms", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tariff"),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name="fk_tariff_site_id", ondelete="CASCADE"),
        sa.UniqueConstraint("site_id", "valid_from", name="uq_tariff_site_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "report",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("site_id", sa.Integer, nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("data_digest", sa.String(64), nullable=False),
        sa.Column("html", sa.LargeBinary, nullable=False),
        sa.Column("pdf", sa.LargeBinary, nullable=False),
        sa.Column("csv", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_report"),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name="fk_report_site_id", ondelete="CASCADE"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_report_site_id", "report", ["site_id", "month"])


def downgrade() -> None:
    op.drop_table("report")
    op.drop_table("tariff")
    op.drop_column("device", "role")
