"""Edits of scales, for readings that were taken before one and are stored after it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "scale_edit",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("data_point_id", sa.Integer, nullable=False),
        sa.Column("configuration", sa.Integer, nullable=False),
        sa.Column("edited_at_ms", sa.BigInteger, nullable=False),
        sa.Column("is_carried_over", sa.Boolean, nullable=False),
        sa.Column("old_scale", sa.Double, nullable=False),
        sa.Column("old_offset", sa.Double, nullable=False),
        sa.Column("new_scale", sa.Double, nullable=False),
        sa.Column("new_offset", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_scale_edit"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("scale_edit")
