"""helm-safe: a Helm rollback that tells the truth. This package imports nothing at start-up."""

__version__ = "0.1.0"
