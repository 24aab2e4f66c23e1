"""Passwords and roles of users.

Revision: 0002
Revises: 0001
Created: 2026-11-24
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | Sequence[str] | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the columns; users that exist become authors without a password."""
    with op.batch_alter_table("users") as users:
        users.add_column(sa.Column("password_hash", sa.String(length=200), nullable=True))
        users.add_column(sa.Column("role", sa.String(length=20), nullable=False, server_default="author"))


def downgrade() -> None:
    """Drop the columns."""
    with op.batch_alter_table("users") as users:
        users.drop_column("role")
        users.drop_column("password_hash")
