"""helm-safe: a Helm rollback that tells the truth. This package imports nothing at start-up."""
