"""Adapters that split traffic: one file each, one line in the table."""
