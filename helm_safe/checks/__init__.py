"""Pre-checks: one file each, one line in the table."""
