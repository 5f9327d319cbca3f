"""Probes of the state that does not travel back: one file each, one line in the table."""
