"""CAP-001: the target's pods, with those of a rolling update and of a standby, do not fit the namespace's quota."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from helm_safe.checks.amounts import BILLION, amount, per_pod, say
from helm_safe.checks.base import ERROR, QUOTA, WARNING, WORKLOADS, Check
from helm_safe.checks.doubles import staged, standbys
from helm_safe.checks.facts import Workload, live_replicas, workloads
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, dig, mapping, name_of
from helm_safe.core.quantities import int_or_percent
from helm_safe.core.workloads import declared_replicas, pod_template
from helm_safe.model.own import CannotStandBy
from helm_safe.model.revisions import Revision
from helm_safe.model.snapshot import Snapshot

# A quota counts requests of cpu and memory also under their short names.
_MEASURES = {
    "cpu": ("requests", "cpu"),
    "memory": ("requests", "memory"),
    "requests.cpu": ("requests", "cpu"),
    "requests.memory": ("requests", "memory"),
    "limits.cpu": ("limits", "cpu"),
    "limits.memory": ("limits", "memory"),
}


# Kinds that a quota counts by the piece, of those that a standby consists of.
_COUNTED = {
    "services": "Service",
    "configmaps": "ConfigMap",
    "secrets": "Secret",
    "count/services": "Service",
    "count/configmaps": "ConfigMap",
    "count/secrets": "Secret",
    "count/deployments.apps": "Deployment",
}


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    made = _made(snapshot)
    for quota in snapshot.of_kind(*QUOTA):
        # A scoped quota counts only some pods: the dry run is the better judge there.
        if dig(quota, "spec", "scopes") or dig(quota, "spec", "scopeSelector"):
            continue
        for measure, limit in mapping(quota, "status", "hard").items():
            more, doubles = _more(snapshot, str(measure), made)
            if more > 0:
                yield from _judge(quota, str(measure), amount(limit), more, doubles)


def _judge(quota: Object, measure: str, hard: int, more: int, doubles: int) -> Iterator[Finding]:
    """more: what the run adds at most. doubles: how much of it the standby is."""
    used = amount(mapping(quota, "status", "used").get(measure))
    missing = used + more - hard
    if missing <= 0:
        return
    standby = f", {say(doubles)} of it for the standby" if doubles else ""
    yield Finding(
        CHECK.id,
        ERROR if doubles else CHECK.severity,
        f"ResourceQuota/{name_of(quota)} has no room for the target's pods: {measure} {say(used)} of"
        f" {say(hard)} is used and the rollback adds up to {say(more)}{standby}; {say(missing)} is missing.",
        object=f"ResourceQuota/{name_of(quota)}",
        field=f"spec.hard.{measure}",
        evidence=(f"used: {say(used)}", f"hard: {say(hard)}", f"added while pods are replaced: {say(more)}{standby}"),
        remediation="Raise the quota for the time of the rollback, or scale something else down"
        + (", or roll back without a standby (--strategy native)." if doubles else "."),
    )


def _made(snapshot: Snapshot) -> Counter[str]:
    """How many objects of each kind a standby consists of; none where none can be made, which STBY-001 says."""
    try:
        return Counter(str(obj["kind"]) for obj in standbys(snapshot).objects()) if staged(snapshot) else Counter()
    except CannotStandBy:
        return Counter()


def _more(snapshot: Snapshot, measure: str, made: Counter[str]) -> tuple[int, int]:
    """What the run adds at most, and how much of it the standby is, in billionths."""
    if measure in _COUNTED:
        count = made[_COUNTED[measure]] * BILLION
        return count, count
    if measure != "pods" and measure not in _MEASURES:
        return 0, 0
    doubles = sum(
        _per_pod(pod_template(snapshot.change.target.objects.get(each.workload, {})), measure) * max(0, each.replicas)
        for each in staged(snapshot)
    )
    return _added(snapshot, measure) + doubles, doubles


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
    return _per_pod(workload.template, measure) * min(BILLION, 1 if count is None else max(0, count))


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
    return BILLION if measure == "pods" else per_pod(template, *_MEASURES[measure])


CHECK = Check(
    "CAP-001",
    "Quota too small",
    WARNING,
    "The target's pods, the surplus of a rolling update and a standby beside them need more than the namespace's"
    " ResourceQuota leaves: new pods would not be created. An error where a standby is planned.",
    "Raise the quota for the time of the rollback.",
    _run,
    needs=(QUOTA, *WORKLOADS),
)
