"""Adapters that tell people: one file each, one line in the table."""
