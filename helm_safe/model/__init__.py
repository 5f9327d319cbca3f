"""The nouns of a rollback: pure, no clock, no files, no network."""
