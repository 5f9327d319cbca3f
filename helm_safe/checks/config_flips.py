"""CFG-001: files of running pods change before their code does."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import WARNING, Check
from helm_safe.checks.doubles import mounts_of, staged
from helm_safe.checks.facts import Workload, workloads
from helm_safe.checks.secrets import content
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, ObjectRef, dig, sequence
from helm_safe.core.references import Role, references_of
from helm_safe.core.workloads import images, pod_template
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    ours = {each.workload for each in staged(snapshot)}
    for workload in workloads(snapshot.change.target, long_running=True):
        now = pod_template(snapshot.change.current.objects.get(workload.ref, {}))
        if workload.ref not in ours and now and images(now) != images(workload.template):
            flips = list(_flips(snapshot, workload, now))
            if flips:
                yield _finding(workload, flips)


def _flips(snapshot: Snapshot, workload: Workload, now: Object) -> Iterator[str]:
    """What the current pods mount whole, and what the rollback changes under them."""
    volumes = {
        f"volume {dig(each, 'name')}"
        for each in sequence(now, "spec", "volumes")
        if _follows(now, str(dig(each, "name")))
    }
    for used in references_of(now):
        ref = ObjectRef(used.group, used.kind, workload.ref.namespace, used.name)
        before, after = snapshot.change.current.objects.get(ref), snapshot.change.target.objects.get(ref)
        if used.role is not Role.VOLUME or used.where not in volumes or before is None or after is None:
            continue
        if content(before) != content(after) and before.get("immutable") is not True:
            yield f"{ref} ({used.where})"


def _follows(template: Object, volume: str) -> bool:
    """Whether the files of a volume follow its source: those mounted by subPath stay."""
    return any(not mount.get("subPath") and not mount.get("subPathExpr") for _, mount in mounts_of(template, volume))


def _finding(workload: Workload, flips: list[str]) -> Finding:
    return Finding(
        CHECK.id,
        CHECK.severity,
        f"Pods of {workload.ref} that still run the newer code get the older files within about a minute of the"
        " rollback, before they are replaced.",
        object=str(workload.ref),
        field="spec.template.spec.volumes",
        evidence=tuple(f"changes under them: {each}" for each in dict.fromkeys(flips)),
        remediation="Use --strategy standby so that no user is on those pods, or give each content a name of its own.",
    )


CHECK = Check(
    "CFG-001",
    "Files change before the code",
    WARNING,
    "A mounted ConfigMap or Secret differs between the revisions, and so does the image of the pods that mount it. The"
    " kubelet rewrites the files of pods that are not replaced yet: newer code reads older configuration. Workloads"
    " that get a standby are left out.",
    "Give each content a name of its own (a hash in the name), or use a standby.",
    _run,
)
