"""OWN-002 and OWN-003: Flagger, Argo Rollouts or OpenKruise control the workload's pods."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from helm_safe.checks.base import WARNING, Check
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, ObjectRef, mapping, name_of
from helm_safe.model.snapshot import Snapshot

CANARY, ROLLOUT, KRUISE_ROLLOUT = (
    ("flagger.app", "Canary"),
    ("argoproj.io", "Rollout"),
    ("rollouts.kruise.io", "Rollout"),
)
_CONTROLLERS = {CANARY: "Flagger", ROLLOUT: "Argo Rollouts", KRUISE_ROLLOUT: "OpenKruise"}
# Where each names the workload that it drives.
_AIMS = {
    CANARY: (("spec", "targetRef"),),
    ROLLOUT: (("spec", "workloadRef"),),
    KRUISE_ROLLOUT: (("spec", "workloadRef"), ("spec", "objectRef", "workloadRef")),
}


def _owners(*kinds: tuple[str, str]) -> Callable[[Snapshot], Iterator[tuple[str, str, str]]]:
    """(controller, its object, the object that it drives) for live objects that drive the release's workloads."""

    def find(snapshot: Snapshot) -> Iterator[tuple[str, str, str]]:
        ours = {(ref.kind, ref.name) for ref in _refs(snapshot)}
        for kind in kinds:
            for obj in snapshot.of_kind(*kind):
                aim = next((found for path in _AIMS[kind] if (found := mapping(obj, *path))), {})
                driven = (str(aim.get("kind") or "Deployment"), str(aim.get("name") or ""))
                if driven in ours:
                    yield _CONTROLLERS[kind], f"{kind[1]}/{name_of(obj)}", f"{driven[0]}/{driven[1]}"

    return find


def _refs(snapshot: Snapshot) -> dict[ObjectRef, Object]:
    return {**snapshot.change.current.objects, **snapshot.change.target.objects}


def _finding(check: Check, controller: str, owner: str, driven: str) -> Finding:
    return Finding(
        check.id,
        check.severity,
        f"{controller} drives {driven} through {owner}: it decides when pods and traffic change, and a rollback"
        " beside it becomes a new canary of its own.",
        object=owner,
        evidence=(f"drives {driven}",),
        remediation=check.remedy,
    )


def _progressive(snapshot: Snapshot) -> Iterator[Finding]:
    for owner in _owners(CANARY, ROLLOUT)(snapshot):
        yield _finding(PROGRESSIVE, *owner)
    for ref in _refs(snapshot):
        if (ref.group, ref.kind) == ROLLOUT:
            yield _finding(PROGRESSIVE, "Argo Rollouts", str(ref), "its pods")


def _kruise(snapshot: Snapshot) -> Iterator[Finding]:
    for owner in _owners(KRUISE_ROLLOUT)(snapshot):
        yield _finding(KRUISE, *owner)
    for ref in _refs(snapshot):
        if ref.group == "apps.kruise.io":
            yield _finding(KRUISE, "OpenKruise", str(ref), "its pods")


PROGRESSIVE = Check(
    "OWN-002",
    "Progressive delivery owns the workload",
    WARNING,
    "Flagger or Argo Rollouts replaces pods and moves traffic by its own rules; a rollback started beside it is"
    " treated as one more release.",
    "Abort or pause its analysis first (kubectl argo rollouts abort, or skip analysis in the Canary), then roll back.",
    _progressive,
    needs=(CANARY, ROLLOUT),
)
KRUISE = Check(
    "OWN-003",
    "OpenKruise owns the workload",
    WARNING,
    "OpenKruise replaces the pods of the workload by rules of its own, in place or in batches.",
    "Pause its rollout first, and watch the batches after the rollback.",
    _kruise,
    needs=(KRUISE_ROLLOUT,),
)
