"""Fixtures for every tier."""

from __future__ import annotations

from tests.cluster_fixtures import namespace, sandbox

__all__ = ["namespace", "sandbox"]
