"""One suite for the Releases port: what holds for Helm 3 and Helm 4 on a real API server holds for the fake."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from helm_safe.helm.releases import open_releases
from helm_safe.kube.cluster import KubeCluster
from helm_safe.model.errors import Conflict, LostLease, NotFound, UsageError
from helm_safe.model.evidence import evidence_of, unfinished
from helm_safe.model.revisions import History, Hook, Release, RevisionStatus
from helm_safe.model.settings import NativeOptions
from helm_safe.model.snapshot import HelmVersion
from helm_safe.ports import Releases
from helm_safe.sandbox.cluster import Sandbox
from tests.fakes.releases import START, Failure, FakeReleases
from tests.fakes.runs import FakeLock

PLAIN = NativeOptions()
S = RevisionStatus
CHART = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {tag: "{{ .Values.tag }}"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: api, image: "example/api:{{ .Values.tag }}"}]}
"""
# Only a rollback runs this hook, and no API server takes a label like that: so it is recorded, and fails later.
HOOK = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: before
  labels: {refused: "no such label!"}
  annotations: {helm.sh/hook: pre-rollback}
"""


class Bench(Protocol):
    """A release under test and how its revisions come to be."""

    releases: Releases
    release: Release

    def upgrade(self, tag: str, *, refused: bool = False, hook: bool = False) -> None:
        """A new revision. refused: the API server does not take it. hook: its pre-rollback hook will fail."""
        ...

    def expect(self, failure: Failure) -> None:
        """Tell a fake what will happen; real Helms know by themselves."""
        ...


class FakeBench:
    def __init__(self, version: HelmVersion) -> None:
        self.fake = FakeReleases(version=version)
        self.releases: Releases = self.fake
        self.release = Release("shop", "api")

    def upgrade(self, tag: str, *, refused: bool = False, hook: bool = False) -> None:
        objects = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"tag": tag}}
        hooks = (Hook("before", "ConfigMap", "", ("pre-rollback",), 0, HOOK),) if hook else ()
        self.fake.upgrade(self.release, objects, hooks=hooks, status=S.FAILED if refused else S.DEPLOYED)

    def expect(self, failure: Failure) -> None:
        self.fake.failures.append(failure)


@dataclass
class RealBench:
    releases: Releases
    release: Release
    helm: Path
    chart: Path
    environ: dict[str, str]

    def upgrade(self, tag: str, *, refused: bool = False, hook: bool = False) -> None:
        (self.chart / "templates" / "hook.yaml").write_text(HOOK if hook else "")
        command = [str(self.helm), "upgrade", "--install", "--history-max=0", self.release.name, str(self.chart)]
        values = f"tag={tag},replicas={-3 if refused else 1}"
        done = subprocess.run(
            [*command, "-n", self.release.namespace, "--set", values],
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) is refused, done.stderr

    def expect(self, failure: Failure) -> None:
        pass


@pytest.fixture(
    params=[
        "fake3",
        "fake4",
        pytest.param("helm3", marks=pytest.mark.cluster),
        pytest.param("helm4", marks=pytest.mark.cluster),
        pytest.param("helm4-configmap", marks=pytest.mark.cluster),
    ]
)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    major = int(request.param[4])
    if request.param.startswith("fake"):
        yield FakeBench(HelmVersion(3, 22) if major == 3 else HelmVersion(4, 3, 1))
        return
    sandbox: Sandbox = request.getfixturevalue("sandbox")
    namespace: str = request.getfixturevalue("namespace")
    helm = sandbox.helm(major)
    environ = {**os.environ, **sandbox.env(), "HELM_BIN": str(helm), "HELM_DRIVER": request.param[6:]}
    environ["HELM_MAX_HISTORY"] = "2"  # what Helm would keep if nobody told it otherwise
    cluster = KubeCluster.connect(environ)
    release = Release(namespace, "api")
    yield RealBench(open_releases(cluster, environ), release, helm, _chart(tmp_path / "demo"), environ)
    cluster.close()


def _chart(folder: Path) -> Path:
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: demo\nversion: 1.0.0\n")
    (folder / "values.yaml").write_text("tag: one\nreplicas: 1\n")
    (folder / "templates" / "all.yaml").write_text(CHART)
    return folder


def story(history: History) -> list[tuple[int, str]]:
    return [(each.number, each.status.value) for each in history.revisions]


def test_history_is_told_oldest_first(bench: Bench) -> None:
    bench.upgrade("one")
    bench.upgrade("two")
    history = bench.releases.history(bench.release)
    assert story(history) == [(1, "superseded"), (2, "deployed")]
    assert history.deployed is history.last
    first, second = history.revisions
    assert first.deployed_at is not None
    assert second.deployed_at is not None
    assert first.deployed_at < second.deployed_at
    assert (first.chart, first.chart_version) == ("demo", "1.0.0")
    assert first.record == "sh.helm.release.v1.api.v1"
    assert first.content != second.content
    assert {ref.namespace for ref in first.objects} == {bench.release.namespace}
    assert first.rollback_of is None


def test_an_unknown_release_is_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound):
        bench.releases.history(Release(bench.release.namespace, "nowhere"))


def test_a_rollback_makes_a_copy_of_its_target(bench: Bench) -> None:
    bench.upgrade("one")
    bench.upgrade("two")
    result = bench.releases.rollback(bench.release, 1, PLAIN, timeout=60)
    assert (result.exit_code, "Happy Helming" in result.output) == (0, True)
    history = bench.releases.history(bench.release)
    assert story(history) == [(1, "superseded"), (2, "superseded"), (3, "deployed")]
    assert history.last.content == history.revisions[0].content
    assert history.last.rollback_of == 1


def test_a_revision_that_does_not_exist_changes_nothing(bench: Bench) -> None:
    bench.upgrade("one")
    result = bench.releases.rollback(bench.release, 9, PLAIN, timeout=60)
    assert result.exit_code == 1
    assert "9" in result.output
    assert story(bench.releases.history(bench.release)) == [(1, "deployed")]


def test_a_refused_object_leaves_a_failed_record_and_no_deployed_one(bench: Bench) -> None:
    bench.upgrade("one")
    bench.upgrade("two", refused=True)
    bench.upgrade("three")
    bench.expect(Failure.UPDATE)
    result = bench.releases.rollback(bench.release, 2, PLAIN, timeout=60)
    assert result.exit_code == 1
    history = bench.releases.history(bench.release)
    assert story(history)[2:] == [(3, "superseded"), (4, "failed")]
    assert history.deployed is None
    assert unfinished(history.last)


def test_a_failing_hook_leaves_a_pending_record_that_can_be_removed(bench: Bench) -> None:
    bench.upgrade("one", hook=True)
    bench.upgrade("two")
    bench.expect(Failure.PRE_HOOK)
    result = bench.releases.rollback(bench.release, 1, PLAIN, timeout=60)
    assert result.exit_code == 1
    assert "pre-rollback" in result.output
    history = bench.releases.history(bench.release)
    assert story(history) == [(1, "superseded"), (2, "deployed"), (3, "pending-rollback")]
    with pytest.raises(Conflict):
        bench.releases.delete_record(bench.release, history.last.record, "deployed")
    bench.releases.delete_record(bench.release, history.last.record, "pending-rollback")
    bench.releases.delete_record(bench.release, history.last.record, "pending-rollback")
    assert story(bench.releases.history(bench.release)) == [(1, "superseded"), (2, "deployed")]
    again = bench.releases.rollback(bench.release, 1, NativeOptions(no_hooks=True), timeout=60)
    assert (again.exit_code, bench.releases.history(bench.release).last.status) == (0, S.DEPLOYED)


def test_a_fence_stops_helm_and_the_removal_of_records(bench: Bench) -> None:
    bench.upgrade("one")
    bench.upgrade("two")
    lock = FakeLock()
    fenced = bench.releases.fenced(lock.check)
    assert fenced.version() == bench.releases.version()
    lock.lost = True
    with pytest.raises(LostLease):
        fenced.rollback(bench.release, 1, PLAIN, timeout=60)
    with pytest.raises(LostLease):
        fenced.delete_record(bench.release, fenced.history(bench.release).last.record, S.DEPLOYED.value)
    assert [each.number for each in fenced.history(bench.release).revisions] == [1, 2]


def test_an_attempt_prunes_nothing(bench: Bench) -> None:
    """Helm itself would cut the oldest revision, and an attempt may be to that very one."""
    for tag in ("one", "two", "three"):
        bench.upgrade(tag)
    for options in (PLAIN, NativeOptions(history_max=2)):
        assert bench.releases.rollback(bench.release, 1, options, timeout=60).exit_code == 0
    assert [each.number for each in bench.releases.history(bench.release).revisions] == [1, 2, 3, 4, 5]


def test_flags_that_do_not_fit_are_refused_before_anything_happens(bench: Bench) -> None:
    bench.upgrade("one")
    options = NativeOptions(force_conflicts=True, force_replace=True)  # unknown to Helm 3, a contradiction in Helm 4
    with pytest.raises(UsageError):
        bench.releases.rollback(bench.release, 1, options, timeout=60)
    assert story(bench.releases.history(bench.release)) == [(1, "deployed")]


def test_evidence_is_drawn_from_what_the_port_tells(bench: Bench) -> None:
    for tag in ("one", "two"):
        bench.upgrade(tag)
    bench.releases.rollback(bench.release, 1, PLAIN, timeout=60)
    history = bench.releases.history(bench.release)
    now = history.last.deployed_at or START
    found = evidence_of(history, good={}, known_good_after=1800, now=now)
    assert [found[number].standing.value for number in (1, 2, 3)] == ["current", "bad", "current"]
