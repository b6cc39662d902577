"""Events for several processes in the database itself, written with what they tell of."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "outbox_head",
        sa.Column("id", sa.SmallInteger, autoincrement=False, nullable=False),
        sa.Column("epoch", sa.String(16), nullable=False),
        sa.Column("events", sa.BigInteger, nullable=False),
        sa.Column("chain", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox_head"),
    )
    op.create_table(
        "outbox_channel",
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("events", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("channel", name="pk_outbox_channel"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("epoch", sa.String(16), nullable=False),
        sa.Column("node", sa.String(16), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("first", sa.BigInteger, nullable=False),
        sa.Column("weight", sa.Integer, nullable=False),
        sa.Column("lost", sa.BigInteger, nullable=False),
        sa.Column("channels", sa.JSON, nullable=False),
        sa.Column("offsets", sa.JSON, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("chain", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )


def downgrade() -> None:
    for table in ("outbox", "outbox_channel", "outbox_head"):
        op.drop_table(table)
