"""The demo's verdict and its table; the whole story runs in the data-plane tier."""

from __future__ import annotations

from dataclasses import replace

import pytest

from helm_safe.cli.demo import Act, document, rows

KEPT = Act(
    name="safe", window=40.0, requests=1600, failed=172, slow=3, share_before=0.39, calm_after=13.5, share_at_end=0.0,
    serving=("1-cold-4",), replicas=4, ready=4, revision=5, status="deployed", exit_code=0, took=24.2, said="done",
    route_before="1f2e3d4c5b6a", route_after="1f2e3d4c5b6a",
)  # fmt: skip


def test_a_run_that_did_all_it_should_broke_no_promise() -> None:
    assert KEPT.broken_promises("1-cold-4", 4) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"exit_code": 5}, "exited with 5"),
        ({"ready": 0, "replicas": 0}, "0 of 4 pods"),
        ({"ready": 3}, "3 of 4 pods"),
        ({"serving": ()}, "nobody answers"),
        ({"serving": ("1-cold-4", "2-broken-40")}, "2-broken-40 answers"),
        ({"calm_after": None}, "did not stay below"),
        ({"share_at_end": 0.01}, "at the end"),
        ({"share_at_end": None}, "at the end"),
        ({"status": "failed"}, "is failed"),
        ({"route_after": "none"}, "route is not as it was"),
    ],
)
def test_every_promise_can_be_broken(changed: dict[str, object], words: str) -> None:
    (sentence,) = replace(KEPT, **changed).broken_promises("1-cold-4", 4)  # type: ignore[arg-type]
    assert words in sentence


def test_the_table_shows_both_ways_side_by_side() -> None:
    plain = replace(KEPT, calm_after=None, share_at_end=1.0, serving=(), ready=0, replicas=0)
    table = {row[0]: row[1:] for row in rows([plain, KEPT])}
    assert table["failing share stays below 1 % after"] == ["never in this run", "13.5 s"]
    assert table["ready pods at the end"] == ["0 of 0 asked for", "4 of 4 asked for"]
    assert table["the route"] == ["as before (1f2e3d4c5b6a)"] * 2
    assert table["image that answers at the end"] == ["nobody", "1-cold-4"]


def test_the_document_uses_the_names_of_the_other_documents() -> None:
    assert {"calmAfter", "shareAtEnd", "exitCode", "serving"} <= set(document(KEPT))
