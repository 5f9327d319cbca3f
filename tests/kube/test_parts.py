"""Discovery, watches, logs, settling and workers, each by itself."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from helm_safe.core.objects import Gvk
from helm_safe.kube import settle
from helm_safe.kube.answers import Call, refusal
from helm_safe.kube.cluster import _newest
from helm_safe.kube.discovery import discover
from helm_safe.kube.paths import target
from helm_safe.kube.watching import watch
from helm_safe.kube.workers import parallel
from helm_safe.model.errors import ClusterError, Conflict, Forbidden, Invalid, Missing, Unreachable
from tests.fakes.cluster import resource

DEPLOYMENTS = resource("apps/v1", "Deployment", "deployments")
NODES = resource("v1", "Node", "nodes", namespaced=False)


def aggregated(group: str, *versions: tuple[str, str, list[dict[str, Any]]]) -> dict[str, Any]:
    rows = [{"version": v, "freshness": f, "resources": r} for v, f, r in versions]
    return {"kind": "APIGroupDiscoveryList", "items": [{"metadata": {"name": group}, "versions": rows}]}


def row(plural: str, kind: str, scope: str = "Namespaced") -> dict[str, Any]:
    return {"resource": plural, "responseKind": {"kind": kind}, "scope": scope, "verbs": ["get", "list"]}


def test_aggregated_discovery_takes_two_calls_and_names_stale_groups() -> None:
    asked = []
    pages = {
        "/api": aggregated("", ("v1", "Current", [row("nodes", "Node", "Cluster"), {"resource": "odd"}])),
        "/apis": aggregated(
            "x.io", ("v2", "Current", [row("things", "Thing")]), ("v1", "Stale", [row("things", "Thing")])
        ),
    }

    def read(path: str) -> Any:
        asked.append(path)
        return pages[path]

    served = discover(read, parallel)
    assert asked == ["/api", "/apis"]
    assert served.failed_groups == ("x.io/v1",)
    node, thing = served.preferred("", "Node"), served.preferred("x.io", "Thing")
    assert node is not None
    assert (node.plural, node.namespaced, node.verbs) == ("nodes", False, {"get", "list"})
    assert thing is not None
    assert thing.gvk.version == "v2"


def test_classic_discovery_prefers_what_the_group_prefers_and_survives_a_broken_group() -> None:
    versions = [{"version": "v1beta1"}, {"version": "v1"}]
    pages: dict[str, Any] = {
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {
            "kind": "APIGroupList",
            "groups": [
                {"name": "apps", "versions": versions, "preferredVersion": {"version": "v1"}},
                {"name": "broken.io", "versions": [{"version": "v1"}]},
            ],
        },
        "/api/v1": {"resources": [{"name": "pods", "kind": "Pod", "namespaced": True}, {"name": "pods/log"}, 7]},
    }
    for version in ("v1", "v1beta1"):
        listing = [{"name": "deployments", "kind": "Deployment", "namespaced": True, "verbs": ["get"]}]
        pages[f"/apis/apps/{version}"] = {"resources": listing}

    def read(path: str) -> Any:
        if path not in pages:
            raise ClusterError("503", status=503)
        return pages[path]

    served = discover(read, parallel)
    assert served.failed_groups == ("broken.io/v1",)
    found = served.preferred("apps", "Deployment")
    assert found is not None
    assert found.gvk == Gvk("apps", "v1", "Deployment")
    assert len(served.resources) == 3


@pytest.mark.parametrize(
    "page", [{}, {"kind": "APIGroupDiscoveryList", "items": [None, {"versions": 3}]}, {"groups": 1}]
)
def test_odd_discovery_serves_nothing_and_does_not_fall(page: Any) -> None:
    assert discover(lambda _: page, parallel).resources == {}


class Lines:
    """Stands for the client of a watch: gives pieces as the network cuts them."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.call: Call | None = None

    def stream(self, call: Call) -> Iterator[bytes]:
        self.call = call
        yield from self.pieces


def watched(*pieces: bytes, seconds: float = 30) -> list[tuple[str, str]]:
    lines: Any = Lines(*pieces)
    call = target("GET", DEPLOYMENTS, "shop", named=False)
    return [(kind, obj["metadata"]["name"]) for kind, obj in watch(lines, call, DEPLOYMENTS, "7", seconds)]


def event(kind: str, name: str) -> bytes:
    return json.dumps({"type": kind, "object": {"metadata": {"name": name}}}).encode() + b"\n"


def test_events_survive_any_cut_and_a_torn_end() -> None:
    whole = event("ADDED", "a") + event("BOOKMARK", "b") + event("DELETED", "c")
    expected = [("ADDED", "a"), ("BOOKMARK", "b"), ("DELETED", "c")]
    assert watched(whole) == watched(*[whole[i : i + 1] for i in range(len(whole))]) == expected
    assert watched(whole, b'{"type": "ADD') == expected
    assert watched(whole, b"garbage\n", event("ADDED", "never")) == expected
    assert watched() == []


def test_an_expired_watch_is_a_conflict_with_status_410() -> None:
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
    with pytest.raises(Conflict) as caught:
        watched(event("ADDED", "a"), json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")
    assert caught.value.status == 410


def test_a_watch_ends_in_time_though_events_go_on() -> None:
    assert watched(*[event("ADDED", "a")] * 5, seconds=0) == [("ADDED", "a")]


def test_the_newest_part_of_a_log_is_kept_from_a_whole_line() -> None:
    pieces = [f"line {i}\n".encode() for i in range(1000)]
    text = _newest(iter(pieces), 100)
    assert text.endswith("line 999\n")
    assert text.startswith("line ")
    assert len(text) <= 100
    assert _newest(iter([b"one\n", b"\xff\n"]), 100) == "one\n\ufffd\n"
    assert _newest(iter([]), 100) == ""


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, Invalid, 4),
        (401, Unreachable, 2),
        (403, Forbidden, 2),
        (404, Missing, 4),
        (409, Conflict, 4),
        (410, Conflict, 4),
        (415, Invalid, 4),
        (422, Invalid, 4),
        (429, ClusterError, 4),
        (500, ClusterError, 4),
        (302, Invalid, 4),
    ],
)
def test_statuses_become_errors_without_secrets(status: int, kind: type[ClusterError], code: int) -> None:
    message = "bad \x1b[2J password=hunter2-canary"
    body = json.dumps({"kind": "Status", "reason": "Because", "message": message}).encode()
    error = refusal(status, body, target("GET", DEPLOYMENTS, "shop", "web"))
    assert type(error) is kind
    assert (error.status, error.exit_code, error.reason) == (status, code, "Because")
    assert "deployments.apps shop/web" in error.message
    assert "hunter2" not in error.message
    assert "\x1b" not in error.message


@pytest.mark.parametrize("body", [b"", b"<html>x</html>", b"[1]", b"\xff\xfe", b"[" * 100000, b'{"kind":"Status"}'])
def test_bodies_of_any_kind_are_borne(body: bytes) -> None:
    error = refusal(500, body, target("GET", NODES, "", "n1"))
    assert len(error.message) < 2300


def test_conflicts_of_field_managers_are_told() -> None:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kubectl" using apps/v1',
            "field": ".spec.replicas",
        },
        {"reason": "FieldManagerConflict", "message": "odd", "field": ".x"},
        {"reason": "Other"},
        None,
    ]
    body = json.dumps({"kind": "Status", "reason": "Conflict", "details": {"causes": causes}}).encode()
    error = refusal(409, body, target("PATCH", DEPLOYMENTS, "shop", "web"))
    assert isinstance(error, Conflict)
    assert error.causes == (("kubectl", ".spec.replicas"), ("", ".x"))


def test_addresses() -> None:
    assert (
        target("GET", DEPLOYMENTS, "shop", "web", "scale").path == "/apis/apps/v1/namespaces/shop/deployments/web/scale"
    )
    assert target("GET", DEPLOYMENTS, named=False).path == "/apis/apps/v1/deployments"
    assert target("GET", NODES, "ignored", "n1").path == "/api/v1/nodes/n1"
    assert target("GET", NODES, "", "system:node").path == "/api/v1/nodes/system:node"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a%2fb", "a\nb", "a\x00b"])
@pytest.mark.parametrize("place", ["name", "namespace", "subresource"])
def test_no_name_changes_which_request_is_made(name: str, place: str) -> None:
    if place == "subresource" and not name:
        return
    parts = {"namespace": "shop", "name": "web", "subresource": "", place: name}
    with pytest.raises(Invalid):
        target("DELETE", DEPLOYMENTS, parts["namespace"], parts["name"], parts["subresource"])


LIVE = {
    "metadata": {"resourceVersion": "9", "creationTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a"]},
    "spec": {"replicas": 3, "list": [1, 2], "none": {}},
}


@pytest.mark.parametrize(
    ("kind", "patch", "verdict"),
    [
        ("merge", {"spec": {"replicas": 3}}, True),
        ("merge", {"spec": {"replicas": 4}}, False),
        ("merge", {"spec": {"gone": None}}, True),
        ("merge", {"spec": {"replicas": None}}, False),
        ("merge", {"spec": {"list": [1]}}, False),
        ("merge", {"metadata": {"resourceVersion": "8"}, "spec": {"replicas": 3}}, True),
        ("merge", {"new": {"x": 1}}, False),
        ("json", [{"op": "replace", "path": "/spec/replicas", "value": 3}], True),
        ("json", [{"op": "replace", "path": "/spec/replicas", "value": 1}], False),
        ("json", [{"op": "remove", "path": "/spec/gone"}], True),
        ("json", [{"op": "remove", "path": "/spec/replicas"}], False),
        ("json", [{"op": "replace", "path": "/spec/list/1", "value": 2}], True),
        ("json", [{"op": "remove", "path": "/spec/list/0"}], None),
        ("json", [{"op": "add", "path": "/metadata/finalizers/-", "value": "a"}], None),
        ("json", [{"op": "move", "path": "/a", "from": "/b"}], None),
        ("apply", {"spec": {"replicas": 3}}, False),
        ("strategic", {"spec": {"replicas": 3}}, False),
    ],
)
def test_whether_a_patch_happened(kind: str, patch: Any, verdict: bool | None) -> None:
    assert settle.patched(kind, patch, LIVE) is verdict


def test_preconditions_are_found_and_added() -> None:
    step = {"op": "test", "path": "/metadata/resourceVersion", "value": "8"}
    assert settle.precondition("json", [step]) == "8"
    assert settle.precondition("json", []) == ""
    assert settle.precondition("merge", {"metadata": {"resourceVersion": "8"}}) == "8"
    assert settle.bound("json", [], "8") == [step]
    bound = settle.bound("merge", {"metadata": {"labels": {"a": "b"}}, "spec": 1}, "8")
    assert bound == {"metadata": {"labels": {"a": "b"}, "resourceVersion": "8"}, "spec": 1}


def test_a_created_object_is_ours_by_label_or_by_content_and_age() -> None:
    began = datetime(2026, 1, 1, 0, 0, 5, tzinfo=timezone.utc)
    wanted = {"kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "1"}}
    live = {**wanted, "metadata": {"name": "x", "creationTimestamp": "2026-01-01T00:00:05Z", "uid": "u"}}
    old = {**live, "metadata": {**live["metadata"], "creationTimestamp": "2026-01-01T00:00:01Z"}}
    other = {**live, "data": {"a": "2"}}
    assert settle.created(wanted, live, began) is True
    assert settle.created(wanted, live, None) is True
    assert settle.created(wanted, old, began) is False
    assert settle.created(wanted, other, began) is False
    ours = {"metadata": {"labels": {"helm-safe.dev/run": "r1"}}}
    theirs = {"metadata": {"labels": {"helm-safe.dev/run": "r2"}}}
    assert settle.created(ours, ours, began) is True
    assert settle.created(ours, theirs, began) is False


def test_secrets_are_compared_by_their_values() -> None:
    wanted = {"kind": "Secret", "metadata": {"name": "x"}, "stringData": {"k": "v"}}
    live = {"kind": "Secret", "metadata": {"name": "x"}, "data": {"k": "dg=="}, "type": "Opaque"}
    assert settle.created(wanted, live, None) is True
    assert settle.created({**wanted, "stringData": {"k": "w"}}, live, None) is False


def test_workers_keep_the_order_and_run_side_by_side() -> None:
    """Each call waits for the others: one after the other they would never end."""
    barrier = threading.Barrier(4, timeout=20)
    calls = [lambda i=i: (barrier.wait(), i)[1] for i in range(4)]
    assert parallel(calls) == [0, 1, 2, 3]
    assert parallel([]) == []


def test_the_error_of_a_worker_is_raised_and_the_rest_is_dropped() -> None:
    done = []

    def fail() -> None:
        raise Missing("gone")

    with pytest.raises(Missing):
        parallel([fail, *[lambda: done.append(1)] * 500], workers=1)
    assert len(done) < 500
