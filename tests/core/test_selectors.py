"""Selectors as the API takes them in a query; the contract tests compare them with the real server's."""

from __future__ import annotations

import pytest

from helm_safe.core.selectors import fields_match, labels_match

OBJ = {"metadata": {"name": "web", "labels": {"app": "web", "example.org/tier": "front"}}, "spec": {"nodeName": "n1"}}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        (" app = web , example.org/tier=front", True),
        ("app=web,example.org/tier=back", False),
        ("app!=web", False),
        ("absent!=web", True),
        ("app in (db, web)", True),
        ("app in (db),app", False),
        ("app notin (db,cache),app=web", True),
        ("absent notin (db)", True),
        ("app", True),
        ("!app", False),
        ("!absent", True),
    ],
)
def test_labels(selector: str, matches: bool) -> None:
    assert labels_match(selector, OBJ) is matches


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("metadata.name=web", True),
        ("metadata.name!=web", False),
        ("metadata.name=web,spec.nodeName=n2", False),
        ("status.phase=Running", False),
        ("status.phase=", True),
    ],
)
def test_fields(selector: str, matches: bool) -> None:
    assert fields_match(selector, OBJ) is matches
