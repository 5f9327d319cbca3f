"""TRAFFIC-001: a route sends about half of the users to each of two backends."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, HTTP_ROUTE, WARNING, Check
from helm_safe.checks.facts import removed_objects
from helm_safe.checks.migrations import signs
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, ObjectRef, dig, sequence
from helm_safe.model.snapshot import Snapshot

# A canary step leaves 30 to 70 % out; a share in between is a split that nobody watches.
_LEAST, _MOST = 30.0, 70.0


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    ours = {each.name for each in _services(snapshot)}
    for ref, obj, source in _routes(snapshot):
        for index, rule in enumerate(sequence(obj, "spec", "rules")):
            shares = _shares(rule)
            if set(shares) & ours and any(_LEAST <= share <= _MOST for share in shares.values()):
                yield _finding(snapshot, ref, index, shares, source)


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


def _shares(rule: object) -> dict[str, float]:
    """Percent of the requests per backend; empty unless two or more backends get some."""
    weights: dict[str, float] = {}
    for backend in sequence(rule, "backendRefs"):
        weight = dig(backend, "weight")
        count = 1.0 if weight is None else weight
        if isinstance(count, (int, float)) and 0 < count < 10**9 and dig(backend, "name"):
            name = str(dig(backend, "name"))
            weights[name] = weights.get(name, 0.0) + count
    total = sum(weights.values())
    return {name: 100 * weight / total for name, weight in weights.items()} if len(weights) > 1 else {}


def _finding(snapshot: Snapshot, ref: ObjectRef, index: int, shares: dict[str, float], source: str) -> Finding:
    migrated = signs(snapshot)
    split = ", ".join(f"{name} {share:.0f} %" for name, share in shares.items())
    tail = "and a migration may stand between the two versions" if migrated else "so that many users meet unproven pods"
    return Finding(
        CHECK.id,
        ERROR if migrated else WARNING,
        f"{ref} splits the traffic ({split}) {tail}.",
        object=str(ref),
        field=f"spec.rules[{index}].backendRefs",
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
