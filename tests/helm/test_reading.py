"""History through the binary, for the storage drivers that are no API object."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from helm_safe.helm.binary import find_helm
from helm_safe.helm.reading import BinaryStorage, _chart
from helm_safe.helm.releases import HelmReleases, driver_name
from helm_safe.model.errors import NotFound, Unreachable, UsageError
from helm_safe.model.revisions import Release
from helm_safe.model.settings import NativeOptions
from helm_safe.model.snapshot import Served
from helm_safe.sandbox.cluster import Sandbox
from tests.fakes.cluster import FakeCluster

API = Release("shop", "api")
NOTHING = Served({})


def record(number: int, status: str, **info: str) -> dict[str, Any]:
    return {
        "name": "api",
        "namespace": "shop",
        "version": number,
        "manifest": f"---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  tag: '{number}'\n",
        "info": {"status": status, "last_deployed": f"2026-01-0{number}T00:00:00Z", **info},
        "chart": {"metadata": {"name": "demo-app", "version": f"1.{number}.0-rc.1", "appVersion": "7"}},
        "config": {"tag": number},
        "hooks": [{"name": "h", "kind": "Job", "path": "x", "manifest": "kind: Job", "events": ["pre-rollback"]}],
    }


def scripted(folder: Path, body: str) -> BinaryStorage:
    path = folder / "helm"
    path.write_text(f'#!/bin/sh\nif [ "$1" = version ]; then echo v4.3.1; exit; fi\n{body}\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return BinaryStorage(find_helm({"PATH": os.environ["PATH"], "HELM_BIN": str(path)}), "sql")


@pytest.mark.cluster  # the sandbox supplies the binaries; no API server is asked
@pytest.mark.parametrize("major", [3, 4])
def test_both_helms_tell_their_records(sandbox: Sandbox, tmp_path: Path, major: int) -> None:
    records = [record(1, "superseded"), record(2, "deployed", description="Rollback to 1")]
    (tmp_path / "releases.yaml").write_text(json.dumps(records))
    environ = {
        **os.environ,
        "HELM_BIN": str(sandbox.helm(major)),
        "HELM_DRIVER": "memory",
        "HELM_MEMORY_DRIVER_DATA": str(tmp_path / "releases.yaml"),
    }
    releases = HelmReleases(FakeCluster(), find_helm(environ), "memory")
    history = releases.history(API)
    assert [(each.number, each.status.value) for each in history.revisions] == [(1, "superseded"), (2, "deployed")]
    first, second = history.revisions
    assert (first.chart, first.chart_version, first.app_version) == ("demo-app", "1.1.0-rc.1", "7")
    assert second.rollback_of == 1
    assert first.hooks[0].events == ("pre-rollback",)
    assert [str(ref) for ref in first.objects] == ["ConfigMap/settings"]
    assert first.values_hash != second.values_hash
    assert first.deployed_at is not None
    assert releases.rollback(API, 1, NativeOptions(), timeout=30).exit_code == 0
    with pytest.raises(NotFound, match="no release nowhere"):
        releases.history(Release("shop", "nowhere"))


def test_a_storage_that_cannot_be_read_is_told_with_helms_words(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="connection refused"):
        scripted(tmp_path, "echo 'Error: dial tcp: connection refused' >&2; exit 1").history(API, NOTHING)


def test_an_answer_that_is_no_json_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="JSON"):
        scripted(tmp_path, "echo WARNING: hello").history(API, NOTHING)


def test_a_record_that_cannot_be_parsed_is_survived(tmp_path: Path) -> None:
    body = (
        """if [ "$1" = history ]; then echo '[{"revision": 1}, {"revision": "x"}]'; else echo '{"name": "other"}'; fi"""
    )
    history = scripted(tmp_path, body).history(API, NOTHING)
    assert not history.revisions
    assert [each.number for each in history.broken] == [1, None]


def test_removing_a_record_needs_a_driver_that_can(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="sql offers no way"):
        scripted(tmp_path, "").delete(API, "api.v1", "pending-rollback")


@pytest.mark.parametrize(
    ("chart", "name", "version"),
    [("demo-1.0.0", "demo", "1.0.0"), ("demo-app-1.0.0-rc.1", "demo-app", "1.0.0-rc.1"), ("odd", "odd", "")],
)
def test_name_and_version_of_a_chart_are_told_apart(chart: str, name: str, version: str) -> None:
    found = _chart({"chart": chart})["metadata"]
    assert (found["name"], found["version"]) == (name, version)


@pytest.mark.parametrize(("value", "name"), [("", "secret"), ("secrets", "secret"), ("configmaps", "configmap")])
def test_drivers_have_the_names_that_helm_gives_them(value: str, name: str) -> None:
    assert driver_name(value) == name


def test_an_unknown_driver_is_refused() -> None:
    with pytest.raises(UsageError, match="HELM_DRIVER=redis") as caught:
        driver_name("redis")
    assert "configmap, configmaps, memory" in caught.value.next_step
