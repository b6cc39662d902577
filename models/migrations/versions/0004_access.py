"""Programs that sign in with a token, and people and programs that see some gateways only."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("user", sa.Column("is_limited", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "api_token",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("role", sa.String(24), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("is_limited", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("last_used_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_api_token"),
        sa.UniqueConstraint("name", name="uq_api_token_name"),
        sa.UniqueConstraint("token_hash", name="uq_api_token_token_hash"),
        sqlite_autoincrement=True,
    )
    create_assignments("user")
    create_assignments("api_token")


def create_assignments(owner: str) -> None:
    """The gateways that a limited user, or token, may see."""
    table = f"{owner}_gateway"
    op.create_table(
        table,
        sa.Column(f"{owner}_id", sa.Integer, nullable=False),
        sa.Column("gateway_id", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint(f"{owner}_id", "gateway_id", name=f"pk_{table}"),
        sa.ForeignKeyConstraint([f"{owner}_id"], [f"{owner}.id"], name=f"fk_{table}_{owner}_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["gateway_id"], ["gateway.id"], name=f"fk_{table}_gateway_id", ondelete="CASCADE"),
    )


def downgrade() -> None:
    for table in ("api_token_gateway", "user_gateway", "api_token"):
        op.drop_table(table)
    op.drop_column("user", "is_limited")
