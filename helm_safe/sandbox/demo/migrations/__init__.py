"""The migrations of the demo's database, run by the real Alembic."""
