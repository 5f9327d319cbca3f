"""The table that revision 1 reads and writes."""

from __future__ import annotations

from alembic import op

revision, down_revision = "0001", None


def upgrade() -> None:
    op.execute("CREATE TABLE orders (id bigserial PRIMARY KEY, customer text NOT NULL, legacy_total numeric(10, 2))")


def downgrade() -> None:
    op.execute("DROP TABLE orders")
