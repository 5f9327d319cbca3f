"""Destructive: what revision 1 reads goes away."""

from __future__ import annotations

from alembic import op

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    op.execute("ALTER TABLE orders DROP COLUMN legacy_total")


def downgrade() -> None:
    op.execute("ALTER TABLE orders ADD COLUMN legacy_total numeric(10, 2)")
