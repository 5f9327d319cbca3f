"""Neighbours: GitOps controllers that are suspended and put back, Flagger and Argo Rollouts that are followed."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from helm_safe.core.objects import Object, dig
from helm_safe.model.errors import Blocked, PersonNeeded, RunFailed, UsageError
from helm_safe.ports import NativeResult
from helm_safe.rollback import control
from helm_safe.rollback.prepare import prepare
from tests.fakes.controllers import CRASHING
from tests.fakes.runs import RELEASE
from tests.fakes.shop import NAME, NAMESPACE, Shop, deployment, route, service, shop
from tests.rollback.scenes import Scene, assert_restored, begin, charted, progress_of, settings

FLUX = {"helm.toolkit.fluxcd.io/name": "shop", "helm.toolkit.fluxcd.io/namespace": NAMESPACE}
ARGO = {"argocd.argoproj.io/instance": "shop"}


def made_by(marks: dict[str, str], owner: Object, folder: Path) -> Shop:
    """The release's Service carries the marks of its owner."""
    marked = service()
    marked["metadata"] = {**marked["metadata"], "labels": {**marked["metadata"].get("labels", {}), **marks}}
    chart = [marked, route()]
    return shop(folder, "ssa", [deployment("1"), *chart], [deployment("2"), *chart], beside=[owner])


def helm_release(**spec: Any) -> Object:
    return thing("helm.toolkit.fluxcd.io/v2", "HelmRelease", "shop", NAMESPACE, {"interval": "5m", **spec})


def application(**policy: Any) -> Object:
    spec = {"project": "default", "syncPolicy": {**policy, "syncOptions": ["CreateNamespace=true"]}}
    return thing("argoproj.io/v1alpha1", "Application", "shop", "argocd", spec)


def thing(api: str, kind: str, name: str, namespace: str, spec: Object, **more: Any) -> Object:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec, **more}


OWNERS = {
    "flux": (FLUX, helm_release(), ("spec", "suspend")),
    "flux, not suspended in words": (FLUX, helm_release(suspend=False), ("spec", "suspend")),
    "argo": (ARGO, application(automated={"prune": True, "selfHeal": True}), ("spec", "syncPolicy", "automated")),
}


def spec_of(made: Shop, owner: Object) -> Object:
    metadata = owner["metadata"]
    found = made.cluster.find(owner["kind"], metadata["name"], metadata["namespace"])
    assert found
    return dict(found["spec"])


@pytest.mark.parametrize("name", OWNERS)
def test_it_blocks_unless_asked_to_suspend(tmp_path: Path, name: str) -> None:
    marks, owner, _ = OWNERS[name]
    made = made_by(marks, owner, tmp_path)
    with pytest.raises(Blocked, match="OWN-001"):
        begin(made)
    assert spec_of(made, owner) == owner["spec"]
    assert made.helm.calls == []


@pytest.mark.parametrize("name", OWNERS)
@pytest.mark.parametrize("sync", ["suspend", "resume"])
def test_it_waits_while_the_run_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, sync: str) -> None:
    """`resume` puts it back exactly; `suspend` leaves it so, and says how it goes on."""
    marks, owner, path = OWNERS[name]
    made = made_by(marks, owner, tmp_path)
    seen: list[Any] = []
    carry_out = made.helm._carry_out

    def watched(*words: Any) -> NativeResult:
        seen.append(dig(spec_of(made, owner), *path[1:]))
        return carry_out(*words)

    monkeypatch.setattr(made.helm, "_carry_out", watched)
    begin(made, **{"gitops.sync": sync})
    assert seen == [True if path[-1] == "suspend" else None]
    told = "\n".join(made.words())
    if sync == "resume":
        assert spec_of(made, owner) == owner["spec"]
    else:
        assert dig(spec_of(made, owner), *path[1:]) == seen[0]
        assert "still suspended" in told
        assert "revert the source to revision 1" in told
    rest = deepcopy(owner["spec"])
    found = spec_of(made, owner)
    for each in (rest, found):
        dig(each, *path[1:-1]).pop(path[-1], None) if path[1:-1] else each.pop(path[-1], None)
    assert found == rest, "something else was written"


@pytest.mark.parametrize("name", OWNERS)
def test_a_run_that_stops_before_commit_resumes_it(tmp_path: Path, name: str) -> None:
    marks, owner, _ = OWNERS[name]
    made = made_by(marks, owner, tmp_path)
    made.controllers.behaviours = {"1": CRASHING}
    with pytest.raises(RunFailed):
        begin(made, **{"gitops.sync": "suspend"})
    assert spec_of(made, owner) == owner["spec"]


def test_an_owner_that_cannot_be_found_still_blocks(tmp_path: Path) -> None:
    made = made_by({**FLUX, "helm.toolkit.fluxcd.io/namespace": "elsewhere"}, helm_release(), tmp_path)
    with pytest.raises(Blocked, match="OWN-001"):
        begin(made, **{"gitops.sync": "suspend"})


def canary(phase: str, seen: str = "old", weight: int = 0) -> Object:
    spec = {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME}}
    status = {"phase": phase, "lastAppliedSpec": seen, "canaryWeight": weight}
    return thing("flagger.app/v1beta1", "Canary", NAME, NAMESPACE, spec, status=status)


def rollout(phase: str, seen: str = "old", message: str = "") -> Object:
    spec = {"workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME}}
    status = {"phase": phase, "observedGeneration": "1", "message": message, "currentPodHash": seen}
    made = thing("argoproj.io/v1alpha1", "Rollout", NAME, NAMESPACE, spec, status=status)
    made["metadata"]["generation"] = 1
    return made


ACCEPT = {"OWN-002": "the canary has to go back with it"}


def driven(folder: Path, driver: Object, *later: Object) -> Shop:
    """The driver's object, and what its controller makes of it, every ten seconds, once Helm has written."""
    chart = [service(), route()]
    made = shop(folder, "ssa", [deployment("1"), *chart], [deployment("2"), *chart], beside=[driver])
    left, passed = list(later), 0.0

    def decide(seconds: float) -> None:
        nonlocal passed
        passed += seconds
        if made.helm.calls and left and passed >= 10:
            passed = 0.0
            made.cluster.put({**deepcopy(driver), "status": left.pop(0)["status"]})

    made.clock.passing.append(decide)
    return made


def test_a_driver_is_refused_with_the_command_that_is_right(tmp_path: Path) -> None:
    made = driven(tmp_path, canary("Succeeded"))
    with pytest.raises(Blocked, match="OWN-002"):
        begin(made)
    found = prepare(made.world, RELEASE, 1, settings())
    finding = next(each for each in found.findings if each.check == "OWN-002")
    assert f"kubectl -n {NAMESPACE} patch canary {NAME}" in finding.remediation
    assert '{"spec":{"skipAnalysis":true}}' in finding.remediation
    assert found.plan.strategy == "native"
    assert "Flagger drives" in found.plan.why
    for strategy in ("standby", "replicas", "shift", "partition"):
        with pytest.raises(UsageError, match="Flagger drives"):
            prepare(made.world, RELEASE, 1, settings(strategy=strategy))


@pytest.mark.parametrize(
    ("driver", "later"),
    [
        (canary("Failed"), [canary("Progressing", "new", 10), canary("Promoting", "new"), canary("Succeeded", "new")]),
        (canary("Succeeded"), [canary("Succeeded", "new")]),
        (
            rollout("Degraded"),
            [rollout("Progressing", "new", "more replicas need to be updated"), rollout("Healthy", "new")],
        ),
    ],
    ids=["flagger", "flagger skips its analysis", "argo"],
)
def test_it_is_followed_to_its_decision(tmp_path: Path, driver: Object, later: list[Object]) -> None:
    made = driven(tmp_path, driver, *later)
    control.start(made.world, RELEASE, 1, accepting(), show=lambda _: None, confirm=lambda _: True)
    progress = progress_of(made)
    assert progress.plan
    assert progress.plan.strategy == "native"
    assert made.spec("HTTPRoute", NAME) == made.original("HTTPRoute", NAME)
    assert "follow" in progress.done
    assert any(later[0]["status"]["phase"] in words for words in made.words())


def test_its_failure_is_the_runs(tmp_path: Path) -> None:
    made = driven(tmp_path, canary("Succeeded"), canary("Progressing", "new", 10), canary("Failed", "new"))
    with pytest.raises(PersonNeeded, match="Flagger says Failed"):
        control.start(made.world, RELEASE, 1, accepting(), show=lambda _: None, confirm=lambda _: True)


def test_a_release_beside_a_driver_is_nobodys_business(tmp_path: Path) -> None:
    made = charted(tmp_path, "ssa")
    made.cluster.put({**canary("Progressing"), "spec": {"targetRef": {"kind": "Deployment", "name": "other"}}})
    begin(made)
    assert_restored(made, Scene("standby", charted))


def accepting() -> Any:
    from dataclasses import replace

    return replace(settings(), accept=ACCEPT)
