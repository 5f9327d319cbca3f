"""CAP-001: the target's pods, with those of a rolling update, do not fit the namespace's quota."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from helm_safe.checks.base import QUOTA, WARNING, WORKLOADS, Check
from helm_safe.checks.facts import Workload, live_replicas, workloads
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, dig, mapping, name_of
from helm_safe.core.quantities import int_or_percent, nanos
from helm_safe.core.workloads import containers, declared_replicas, init_containers, pod_template, sidecar
from helm_safe.model.revisions import Revision
from helm_safe.model.snapshot import Snapshot

_BILLION = 10**9
# A quota counts requests of cpu and memory also under their short names.
_MEASURES = {
    "cpu": ("requests", "cpu"),
    "memory": ("requests", "memory"),
    "requests.cpu": ("requests", "cpu"),
    "requests.memory": ("requests", "memory"),
    "limits.cpu": ("limits", "cpu"),
    "limits.memory": ("limits", "memory"),
}


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    for quota in snapshot.of_kind(*QUOTA):
        # A scoped quota counts only some pods: the dry run is the better judge there.
        if dig(quota, "spec", "scopes") or dig(quota, "spec", "scopeSelector"):
            continue
        for measure, limit in mapping(quota, "status", "hard").items():
            yield from _judge(snapshot, quota, str(measure), limit)


def _judge(snapshot: Snapshot, quota: Object, measure: str, limit: object) -> Iterator[Finding]:
    if measure != "pods" and measure not in _MEASURES:
        return
    used, hard = _amount(mapping(quota, "status", "used").get(measure)), _amount(limit)
    more = _added(snapshot, measure)
    if more > 0 and used + more > hard:
        yield Finding(
            CHECK.id,
            CHECK.severity,
            f"ResourceQuota/{name_of(quota)} has no room for the target's pods: {measure} {_say(used)} of"
            f" {_say(hard)} is used and the rollback adds up to {_say(more)}.",
            object=f"ResourceQuota/{name_of(quota)}",
            field=f"spec.hard.{measure}",
            evidence=(f"used: {_say(used)}", f"hard: {_say(hard)}", f"added while pods are replaced: {_say(more)}"),
            remediation="Raise the quota for the time of the rollback, or scale something else down.",
        )


def _added(snapshot: Snapshot, measure: str) -> int:
    """What the target's pods and one surge need beyond what the current pods have, in billionths."""
    change = snapshot.change
    before = {each.ref: _need(snapshot, each, measure, change.current) for each in workloads(change.current)}
    total = 0
    for workload in workloads(change.target, long_running=True):
        after, surge = _need(snapshot, workload, measure, change.target), 0
        current = change.current.objects.get(workload.ref, {})
        if pod_template(current) != workload.template:
            surge = _per_pod(workload.template, measure) * _surge(workload, _count(snapshot, workload))
        total += max(0, after - before.get(workload.ref, 0)) + surge
    return total


def _need(snapshot: Snapshot, workload: Workload, measure: str, revision: Revision) -> int:
    live = live_replicas(snapshot, workload.ref)
    stated = declared_replicas(workload.obj)
    restored = revision is snapshot.change.target and stated is not None
    count = stated if restored or live is None else live
    return _per_pod(workload.template, measure) * min(_BILLION, 1 if count is None else max(0, count))


def _count(snapshot: Snapshot, workload: Workload) -> int:
    count = declared_replicas(workload.obj)
    live = live_replicas(snapshot, workload.ref)
    return max(0, next((each for each in (count, live) if each is not None), 1))


def _surge(workload: Workload, count: int) -> int:
    """Pods that a rolling update runs on top; only Deployments have any."""
    if workload.kind.kind != "Deployment" or dig(workload.obj, "spec", "strategy", "type") == "Recreate":
        return 0
    stated = dig(workload.obj, "spec", "strategy", "rollingUpdate", "maxSurge")
    try:
        return int_or_percent("25%" if stated is None else stated, count, round_up=True)
    except ValueError:
        return 0


def _per_pod(template: Object, measure: str) -> int:
    if measure == "pods":
        return _BILLION
    stays = [*containers(template), *(each for each in init_containers(template) if sidecar(each))]
    return sum(_amount(_resource(each, measure)) for each in stays)


def _resource(container: Mapping[str, object], measure: str) -> object:
    return dig(container, "resources", *_MEASURES[measure])


def _amount(value: object) -> int:
    """Billionths of a quantity; 0 where there is none that can be read."""
    try:
        return nanos(value)
    except ValueError:
        return 0


def _say(amount: int) -> str:
    """A quantity for people: 1500000000 -> 1.5, and bytes in Mi."""
    number = amount / _BILLION
    return f"{number / 1024**2:.0f}Mi" if number >= 1024**2 else f"{number:g}"


CHECK = Check(
    "CAP-001",
    "Quota too small",
    WARNING,
    "The target's pods, and the surplus of a rolling update, need more than the namespace's ResourceQuota leaves: new"
    " pods would not be created.",
    "Raise the quota for the time of the rollback.",
    _run,
    needs=(QUOTA, *WORKLOADS),
)
