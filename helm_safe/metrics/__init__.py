"""Adapters that answer metric queries: one file each, one line in the table."""
