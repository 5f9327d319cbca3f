"""Fixtures for every tier."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.cluster_fixtures import namespace, sandbox
from tests.sampling import pytest_collection_modifyitems, pytest_report_header, pytest_runtest_setup

__all__ = ["namespace", "pytest_collection_modifyitems", "pytest_report_header", "pytest_runtest_setup", "sandbox"]

# A busy machine is no defect: examples may take their time.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
