"""Records as Helm 3.22 and 4.3 really wrote them, and records that nobody should have written."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from helm_safe.core.objects import Gvk, Object, ObjectRef
from helm_safe.helm import payload
from helm_safe.helm.parsing import Parser, moment
from helm_safe.helm.payload import UndecodableError, decode
from helm_safe.helm.storage import DRIVERS, Storage
from helm_safe.model.errors import Conflict, NotFound
from helm_safe.model.revisions import Release, RevisionStatus
from helm_safe.model.snapshot import Resource, Served
from helm_safe.ports import Listing

RECORDS = Path(__file__).parent / "records"
SERVED = Served(
    {
        gvk: Resource(gvk, plural, namespaced=namespaced)
        for gvk, plural, namespaced in [
            (Gvk("", "v1", "ConfigMap"), "configmaps", True),
            (Gvk("", "v1", "Service"), "services", True),
            (Gvk("apps", "v1", "Deployment"), "deployments", True),
            (Gvk("rbac.authorization.k8s.io", "v1", "ClusterRole"), "clusterroles", False),
        ]
    }
)


class Records:
    """As much of a Cluster as the storage uses."""

    def __init__(self, items: list[Object]) -> None:
        self.items = items
        self.asked: list[tuple[str, str, str, str]] = []
        self.deleted: list[tuple[str, str, str]] = []

    def served(self) -> Served:
        return SERVED

    def list(self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = "") -> Listing:
        self.asked.append((resource.plural, namespace, labels, fields))
        return Listing(self.items, "1")

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        return next((each for each in self.items if each["metadata"]["name"] == name), None)

    def delete(self, resource: Resource, ref: ObjectRef, *, uid: str, resource_version: str) -> bool:
        self.deleted.append((ref.name, uid, resource_version))
        return True


def stored(name: str) -> list[Object]:
    items: list[Object] = json.loads((RECORDS / f"{name}.json").read_text())
    return items


def storage(items: list[Object], driver: str = "secret") -> tuple[Storage, Records]:
    records = Records(items)
    return Storage(records, DRIVERS[driver]), records  # type: ignore[arg-type]


def secret(body: object, *, name: str = "sh.helm.release.v1.api.v1", **labels: str) -> Object:
    raw = body if isinstance(body, bytes) else gzip.compress(json.dumps(body).encode())
    data = base64.b64encode(base64.b64encode(raw)).decode()
    owner = {"owner": "helm", "name": "api", **labels}
    return {"metadata": {"name": name, "labels": owner, "uid": "u", "resourceVersion": "7"}, "data": {"release": data}}


API = Release("shop", "api")
MINIMAL: dict[str, Any] = {"name": "api", "version": 1, "manifest": "", "info": {"status": "deployed"}}


@pytest.mark.parametrize("driver", ["secret", "configmap"])
@pytest.mark.parametrize("helm", ["helm3", "helm4"])
class TestRealRecords:
    """One release: installed, upgraded, upgraded in vain, rolled back."""

    def test_the_story_is_read_oldest_first(self, helm: str, driver: str) -> None:
        found, records = storage(stored(f"{helm}-{driver}"), driver)
        history = found.history(Release(f"{helm}-{driver}", f"demo-{helm}-{driver}"))
        assert [each.number for each in history.revisions] == [1, 2, 3, 4]
        assert [each.status.value for each in history.revisions] == ["superseded", "superseded", "failed", "deployed"]
        assert not history.broken
        assert len(records.asked) == 1
        assert records.asked[0][:2] == (f"{driver}s", f"{helm}-{driver}")
        assert records.asked[0][2] == f"owner=helm,name=demo-{helm}-{driver}"
        assert records.asked[0][3] == ("type=helm.sh/release.v1" if driver == "secret" else "")

    def test_a_revision_is_read_whole(self, helm: str, driver: str) -> None:
        found, _ = storage(stored(f"{helm}-{driver}"), driver)
        release = Release(f"{helm}-{driver}", f"demo-{helm}-{driver}")
        history = found.history(release)
        first, second, failed, restored = history.revisions
        assert (first.chart, first.chart_version, first.app_version) == ("demo-app", "1.0.0", "2.1")
        assert first.content == restored.content != second.content
        assert restored.rollback_of == 1
        assert first.rollback_of is None
        assert failed.description.startswith("Upgrade ")
        assert first.server_side is (helm == "helm4")
        assert first.deployed_at is not None
        assert first.deployed_at.tzinfo is timezone.utc
        assert list(first.crds) == ["crds/w.yaml"]
        assert len(first.crds["crds/w.yaml"]) == 64
        assert first.values_hash != second.values_hash
        assert first.record == f"sh.helm.release.v1.{release.name}.v1"

    def test_objects_get_the_namespace_that_helm_gives_them(self, helm: str, driver: str) -> None:
        found, _ = storage(stored(f"{helm}-{driver}"), driver)
        namespace = f"{helm}-{driver}"
        first = found.history(Release(namespace, f"demo-{namespace}")).revisions[0]
        assert set(first.objects) == {
            ObjectRef("", "ConfigMap", namespace, "settings"),
            ObjectRef("", "Service", namespace, "api"),
            ObjectRef("apps", "Deployment", namespace, "api"),
            ObjectRef("rbac.authorization.k8s.io", "ClusterRole", "", f"demo-{namespace}-reader"),
        }
        deployment = first.objects[ObjectRef("apps", "Deployment", namespace, "api")]
        assert deployment["metadata"]["namespace"] == namespace
        assert (
            "namespace"
            not in first.objects[ObjectRef("rbac.authorization.k8s.io", "ClusterRole", "", f"demo-{namespace}-reader")][
                "metadata"
            ]
        )

    def test_hooks_are_read_apart(self, helm: str, driver: str) -> None:
        found, _ = storage(stored(f"{helm}-{driver}"), driver)
        namespace = f"{helm}-{driver}"
        (hook,) = found.history(Release(namespace, f"demo-{namespace}")).revisions[1].hooks
        assert (hook.name, hook.kind, hook.weight) == ("before-upgrade", "ConfigMap", -5)
        assert set(hook.events) == {"pre-upgrade", "pre-rollback"}
        assert hook.phase == "Succeeded"
        assert hook.started_at is not None
        assert hook.objects[0]["metadata"]["namespace"] == namespace


def test_a_payload_without_gzip_is_read() -> None:
    """Helm reads those too: very old releases wrote them."""
    found, _ = storage([secret(json.dumps(MINIMAL).encode())])
    assert found.history(API).last.status is RevisionStatus.DEPLOYED


@pytest.mark.parametrize(
    ("obj", "problem"),
    [
        ({"metadata": {"name": "sh.helm.release.v1.api.v2", "labels": {}}}, "no payload"),
        ({"metadata": {"name": "sh.helm.release.v1.api.v2"}, "data": {"release": "%%%"}}, "not base64"),
        (secret(b"\x1f\x8b\x08garbage", name="sh.helm.release.v1.api.v2"), "gzip"),
        (secret(gzip.compress(b"{}" * 500)[:-20], name="sh.helm.release.v1.api.v2"), "gzip"),
        (secret(b"not json", name="sh.helm.release.v1.api.v2"), "not JSON"),
        (secret(b"[" * 100_000, name="sh.helm.release.v1.api.v2"), "not JSON"),
        (secret([], name="sh.helm.release.v1.api.v2"), "not an object"),
        (secret({"name": "api"}, name="sh.helm.release.v1.api.v2"), "revision number"),
        (secret({**MINIMAL, "name": "other"}, name="sh.helm.release.v1.api.v2"), "another name"),
        (secret({**MINIMAL, "version": 3}, name="sh.helm.release.v1.api.v2"), "its name does not"),
        (secret({**MINIMAL, "version": 2, "manifest": "a: [" * 300}, name="sh.helm.release.v1.api.v2"), "YAML"),
    ],
)
def test_a_broken_record_is_reported_and_the_others_survive(obj: Object, problem: str) -> None:
    found, _ = storage([obj, secret(MINIMAL)])
    history = found.history(API)
    assert [each.number for each in history.revisions] == [1]
    (broken,) = history.broken
    assert (broken.record, broken.number) == ("sh.helm.release.v1.api.v2", 2)
    assert problem in broken.problem


def test_a_bomb_is_refused_without_being_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payload, "LIMIT", 1000)
    bomb = base64.b64encode(gzip.compress(b" " * 10_000_000)).decode()
    with pytest.raises(UndecodableError, match="unpacks to more"):
        decode(bomb, layers=1)


def test_odd_members_are_read_as_absent() -> None:
    """Whoever may write Secrets may write anything into the JSON: nothing of it can stop the reading."""
    body = {
        **MINIMAL,
        "info": {"status": 5, "last_deployed": "yesterday", "description": ["x"], "rollback_revision": "1"},
        "chart": "none",
        "config": None,
        "hooks": [None, 3, {"weight": "heavy", "events": "pre", "manifest": None}],
        "manifest": "kind: ConfigMap\nmetadata: []\n---\n- 1\n---\nkind: 3\nmetadata: {name: {}}\n\ud800",
    }
    found, _ = storage([secret(body)])
    revision = found.history(API).last
    assert revision.status is RevisionStatus.UNKNOWN
    assert revision.deployed_at is None
    assert revision.content


def test_no_record_at_all_is_not_found() -> None:
    with pytest.raises(NotFound, match="no release api in shop"):
        storage([])[0].history(API)


def test_the_scope_of_a_kind_that_only_the_manifest_defines_is_taken_from_its_definition() -> None:
    crd = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: zones.example.com}
spec: {group: example.com, scope: Cluster, names: {kind: Zone}}
---
apiVersion: example.com/v1
kind: Zone
metadata: {name: north}
---
apiVersion: policy/v1beta1
kind: PodSecurityPolicy
metadata: {name: strict}
---
apiVersion: unknown.io/v1
kind: Thing
metadata: {name: one}
"""
    revision = Parser(API, SERVED).revision({**MINIMAL, "manifest": crd})
    scopes = {ref.kind: ref.namespace for ref in revision.objects}
    assert scopes["Zone"] == ""
    assert scopes["PodSecurityPolicy"] == ""
    assert scopes["Thing"] == "shop"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)),
        ("2026-01-02T03:04:05.123456789+02:00", datetime(2026, 1, 2, 1, 4, 5, 123456, tzinfo=timezone.utc)),
        ("2026-01-02T03:04:05.5-01:30", datetime(2026, 1, 2, 4, 34, 5, 500000, tzinfo=timezone.utc)),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+23:59", None),
        ("2026-13-01T00:00:00Z", None),
        ("", None),
        (None, None),
        (5, None),
    ],
)
def test_times_of_go_are_read(text: object, expected: datetime | None) -> None:
    assert moment(text) == expected


class TestDelete:
    """A stale record is removed only as long as it is what was seen."""

    @pytest.fixture
    def pair(self) -> tuple[Storage, Records]:
        return storage([secret(MINIMAL, status="pending-rollback")])

    def test_the_delete_is_bound_to_what_was_read(self, pair: tuple[Storage, Records]) -> None:
        pair[0].delete(API, "sh.helm.release.v1.api.v1", "pending-rollback")
        assert pair[1].deleted == [("sh.helm.release.v1.api.v1", "u", "7")]

    def test_another_status_is_a_conflict(self, pair: tuple[Storage, Records]) -> None:
        pair[1].items[0]["metadata"]["labels"]["status"] = "deployed"
        with pytest.raises(Conflict, match="deployed"):
            pair[0].delete(API, "sh.helm.release.v1.api.v1", "pending-rollback")
        assert not pair[1].deleted

    def test_an_object_that_is_no_record_is_never_deleted(self, pair: tuple[Storage, Records]) -> None:
        pair[1].items[0]["metadata"]["labels"]["owner"] = "someone"
        with pytest.raises(Conflict, match="no record"):
            pair[0].delete(API, "sh.helm.release.v1.api.v1", "pending-rollback")

    def test_gone_already_is_fine(self, pair: tuple[Storage, Records]) -> None:
        pair[0].delete(API, "sh.helm.release.v1.api.v9", "pending-rollback")
        assert not pair[1].deleted
