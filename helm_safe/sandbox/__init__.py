"""A disposable real cluster on one machine."""
