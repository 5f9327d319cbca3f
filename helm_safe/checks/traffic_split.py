"""TRAFFIC-001: a route sends about half of the users to each of two backends."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, HTTP_ROUTE, WARNING, Check
from helm_safe.checks.facts import removed_objects
from helm_safe.checks.migrations import signs
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, ObjectRef
from helm_safe.core.splits import Rule, rules, words
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    ours = {each.name for each in _services(snapshot)}
    for ref, obj, source in _routes(snapshot):
        for rule in rules(obj):
            if rule.even and set(rule.shares) & ours:
                yield _finding(snapshot, ref, rule, source)


def _services(snapshot: Snapshot) -> set[ObjectRef]:
    change = snapshot.change
    return {
        ref for ref in (*change.current.objects, *change.target.objects) if (ref.group, ref.kind) == ("", "Service")
    }


def _routes(snapshot: Snapshot) -> Iterator[tuple[ObjectRef, Object, str]]:
    """The routes as they will be: the target's, and live ones that it does not touch."""
    target = snapshot.change.target
    for ref, obj in target.objects.items():
        if (ref.group, ref.kind) == HTTP_ROUTE:
            yield ref, obj, f"revision {target.number}"
    lost = removed_objects(snapshot)
    for ref, obj in snapshot.live.items():
        if (ref.group, ref.kind) == HTTP_ROUTE and ref not in target.objects and ref not in lost:
            yield ref, obj, "the live route"


def _finding(snapshot: Snapshot, ref: ObjectRef, rule: Rule, source: str) -> Finding:
    migrated = signs(snapshot)
    tail = "and a migration may stand between the two versions" if migrated else "so that many users meet unproven pods"
    return Finding(
        CHECK.id,
        ERROR if migrated else WARNING,
        f"{ref} splits the traffic ({words(rule.shares)}) {tail}.",
        object=str(ref),
        field=f"spec.rules[{rule.path[2]}].backendRefs",
        evidence=(f"stated by {source}", *(sign.words for sign in migrated[:3])),
        remediation=f"Move all traffic to the good backend first: helm safe-rollback isolate"
        f" {snapshot.history.release.name} -n {snapshot.history.release.namespace}",
    )


CHECK = Check(
    "TRAFFIC-001",
    "Traffic is split in halves",
    WARNING,
    "A rule of an HTTPRoute shares the requests for the release's Services between backends, each with 30 to 70 %."
    " During a rollback a large share of the users meets pods that have not proved themselves. An error when a"
    " migration may stand between the two versions.",
    "Send all traffic to one backend before the rollback, and shift it in steps afterwards.",
    _run,
    needs=(HTTP_ROUTE,),
)
