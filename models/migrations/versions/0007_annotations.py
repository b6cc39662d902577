"""Annotations: words that people leave at a time in the charts."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "annotation",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("site_id", sa.Integer, nullable=False),
        sa.Column("gateway_id", sa.Integer),
        sa.Column("data_point_id", sa.Integer),
        sa.Column("start_at", sa.BigInteger, nullable=False),
        sa.Column("end_at", sa.BigInteger),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("user_id", sa.Integer),
        sa.Column("author", sa.String(64), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_annotation"),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name="fk_annotation_site_id", ondelete="CASCADE"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_annotation_start_at", "annotation", ["start_at"])


def downgrade() -> None:
    op.drop_table("annotation")
