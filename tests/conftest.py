"""Fixtures for every tier."""

from __future__ import annotations

from tests.cluster_fixtures import namespace, sandbox
from tests.sampling import pytest_collection_modifyitems, pytest_report_header

__all__ = ["namespace", "pytest_collection_modifyitems", "pytest_report_header", "sandbox"]
