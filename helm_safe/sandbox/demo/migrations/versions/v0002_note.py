"""Additive: a column that may be left out."""

from __future__ import annotations

from alembic import op

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    op.execute("ALTER TABLE orders ADD COLUMN note text")


def downgrade() -> None:
    op.execute("ALTER TABLE orders DROP COLUMN note")
