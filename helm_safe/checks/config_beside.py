"""CFG-007: configuration that is not the release's stays as it is now, whatever the target's pods were made for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from helm_safe.checks.base import CONFIG_MAP, INFO, SECRET, WARNING, Check
from helm_safe.checks.facts import workloads
from helm_safe.core.findings import Finding, Status
from helm_safe.core.objects import Object, ObjectRef, annotations_of, dig, labels_of, sequence
from helm_safe.core.references import references_of
from helm_safe.model.snapshot import Snapshot
from helm_safe.model.times import parse_time

_GENERATED = re.compile(r".+-[2456789bcdfghkmt]{10}")
"""A name that Kustomize made from the content (its alphabet of ten characters): another content has another name."""
_ALWAYS_THERE = ("kube-root-ca.crt",)


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    ours = {*snapshot.change.current.objects, *snapshot.change.target.objects}
    users: dict[ObjectRef, list[str]] = {}
    for workload in workloads(snapshot.change.target):
        for used in references_of(workload.template):
            ref = ObjectRef(used.group, used.kind, workload.ref.namespace, used.name)
            if (ref.group, ref.kind) in (CONFIG_MAP, SECRET) and ref not in ours and not _is_fixed(used.name):
                users.setdefault(ref, []).append(f"{workload.ref}: {used.where}")
    for ref, where in users.items():
        live, photographed = snapshot.live_for(ref), _photographed(snapshot, ref)
        if photographed is not None:
            yield from () if photographed else _changed(snapshot, ref, where)
        elif live is not None:
            yield _finding(snapshot, ref, live, where)


def _photographed(snapshot: Snapshot, ref: ObjectRef) -> bool | None:
    """Whether it is as it was when the target ran; None without a snapshot that has it."""
    then, now = snapshot.state.then, snapshot.state.now
    name = f"{ref.kind}/{ref.name}"
    if then is None or now is None or name not in then.config or name not in now.config:
        return None
    return then.config[name] == now.config[name]


def _changed(snapshot: Snapshot, ref: ObjectRef, where: list[str]) -> Iterator[Finding]:
    number = snapshot.change.target.number
    yield Finding(
        CHECK.id,
        WARNING,
        f"{ref}, which pods of revision {number} read, is not the release's and was changed since that revision ran.",
        object=str(ref),
        evidence=(*dict.fromkeys(where), "its hash in the snapshot of that revision is another"),
        remediation="See what was changed, and put back what the old pods need first.",
    )


def _is_fixed(name: str) -> bool:
    return bool(_GENERATED.fullmatch(name)) or name in _ALWAYS_THERE


def _finding(snapshot: Snapshot, ref: ObjectRef, live: Object, where: list[str]) -> Finding:
    target = snapshot.change.target
    made, deployed = parse_time(str(dig(live, "metadata", "creationTimestamp") or "")), target.deployed_at
    newer = bool(made and deployed and made > deployed)
    owner = _owner(live)
    evidence = [*dict.fromkeys(where)][:10] + ([f"managed by {owner}"] if owner else [])
    if newer and made and deployed:
        evidence.append(f"made {made:%Y-%m-%d %H:%M}, after revision {target.number} ({deployed:%Y-%m-%d %H:%M})")
    tail = "it was made after that revision" if newer else "what it held then is not known"
    return Finding(
        CHECK.id,
        WARNING if newer else INFO,
        f"{ref}, which pods of revision {target.number} read, is not the release's and stays as it is now: {tail}.",
        object=str(ref),
        evidence=tuple(evidence),
        remediation=_remedy(owner),
        status=Status.FAIL if newer else Status.UNVERIFIED,
    )


def _remedy(owner: str) -> str:
    first = f"See in {owner} what it held then" if owner else "See what it held then"
    return f"{first}, and put that back first if the old pods need it; a generated name for each content avoids this."


def _owner(live: Object) -> str:
    """Who writes it, as far as it says so itself; "" where it does not."""
    marks, labels = annotations_of(live), labels_of(live)
    owner = next((each for each in sequence(live, "metadata", "ownerReferences") if isinstance(each, dict)), None)
    if owner:
        return f"{owner.get('kind')}/{owner.get('name')}"
    if "kustomize.toolkit.fluxcd.io/name" in labels:
        return f"Flux Kustomization {labels['kustomize.toolkit.fluxcd.io/name']}"
    if "argocd.argoproj.io/tracking-id" in marks:
        return "Argo CD"
    if "meta.helm.sh/release-name" in marks:
        return f"release {marks['meta.helm.sh/release-name']}"
    return "kubectl apply" if "kubectl.kubernetes.io/last-applied-configuration" in marks else ""


CHECK = Check(
    "CFG-007",
    "Configuration beside the release",
    INFO,
    "Pods of the target read a ConfigMap or Secret that is not in the release: Kustomize, kubectl, GitOps or an"
    " operator manages it. It does not roll back. A warning when it was made after the target revision; otherwise"
    " nobody can tell whether it changed. Names that Kustomize made from the content are safe and left out.",
    "See what it held when the target was live, and put that back first if the old pods need it.",
    _run,
    needs=(CONFIG_MAP, SECRET),
)
