"""SNAP-001: how old the last restore point of the release's data is, where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from helm_safe.checks.base import CLAIM, INFO, VOLUME_SNAPSHOT, WARNING, Check
from helm_safe.checks.facts import workloads
from helm_safe.checks.volumes import claims_of
from helm_safe.core.findings import Finding
from helm_safe.core.objects import ObjectRef, dig, name_of, namespace_of
from helm_safe.core.workloads import images, pod_template
from helm_safe.model.snapshot import Snapshot
from helm_safe.model.times import parse_time


class Point(NamedTuple):
    """A VolumeSnapshot that is ready to restore from."""

    taken: datetime
    name: str


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    claims, points = touched_claims(snapshot), _points(snapshot)
    bare = [ref for ref in claims if ref not in points]
    if bare:
        yield _none(snapshot, bare)
    for ref in claims:
        if ref in points:
            yield _found(snapshot, ref, points[ref])


def touched_claims(snapshot: Snapshot) -> list[ObjectRef]:
    """Live claims on whose data other code will run after the rollback: their pods change images."""
    found: dict[ObjectRef, None] = {}
    for workload in workloads(snapshot.change.target, long_running=True):
        now = pod_template(snapshot.change.current.objects.get(workload.ref, {}))
        if now and images(now) != images(workload.template):
            found.update(dict.fromkeys(claims_of(snapshot, workload)))
    # Nothing has been written to a claim that is not bound yet.
    return [ref for ref in found if dig(snapshot.live_for(ref), "status", "phase") != "Pending"]


def _points(snapshot: Snapshot) -> dict[ObjectRef, Point]:
    """The newest usable snapshot of each claim."""
    found: dict[ObjectRef, Point] = {}
    for each in snapshot.of_kind(*VOLUME_SNAPSHOT):
        claim = dig(each, "spec", "source", "persistentVolumeClaimName")
        taken = parse_time(str(dig(each, "status", "creationTime") or ""))
        if claim and taken and dig(each, "status", "readyToUse") is True:
            ref = ObjectRef(*CLAIM, namespace_of(each), str(claim))
            found[ref] = max(found.get(ref, Point(taken, "")), Point(taken, name_of(each)))
    return found


def _none(snapshot: Snapshot, claims: list[ObjectRef]) -> Finding:
    served = snapshot.served.preferred(*VOLUME_SNAPSHOT) is not None
    why = "no VolumeSnapshot of it is ready" if served else "this cluster serves no VolumeSnapshots"
    return Finding(
        CHECK.id,
        WARNING,
        f"There is no restore point of {len(claims)} claim{'s' if len(claims) > 1 else ''} that older code is about to"
        f" run on: {why}.",
        object=str(claims[0]) if len(claims) == 1 else "",
        evidence=(*map(str, claims[:20]), "backups of other tools are not seen here"),
        remediation=f"Take a snapshot of {claims[0]} (or make sure of a backup elsewhere) before the rollback.",
    )


def _found(snapshot: Snapshot, ref: ObjectRef, point: Point) -> Finding:
    current, target = snapshot.change.current, snapshot.change.target
    deployed = current.deployed_at
    when = ""
    if deployed and deployed.tzinfo:
        side = "before" if point.taken <= deployed else "after"
        when = f", {_span(abs((deployed - point.taken).total_seconds()))} {side} revision {current.number}"
    age = _span((snapshot.now - point.taken).total_seconds())
    return Finding(
        CHECK.id,
        INFO,
        f"The newest restore point of {ref} is {age} old{when}: what was written since is not in it.",
        object=str(ref),
        evidence=(f"VolumeSnapshot/{point.name}: {point.taken:%Y-%m-%d %H:%M}",),
        remediation=f"If revision {target.number} cannot read today's data, a new claim from this snapshot is the way"
        " back; otherwise take a fresh one first.",
    )


def _span(seconds: float) -> str:
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


CHECK = Check(
    "SNAP-001",
    "No restore point",
    WARNING,
    "Pods that change their image write to a claim. Data does not travel back with a rollback: a VolumeSnapshot is the"
    " only way back within the cluster. Without one a warning, with one the finding says how old it is.",
    "Take a VolumeSnapshot of each claim before the rollback.",
    _run,
    needs=(CLAIM, VOLUME_SNAPSHOT),
    when=lambda snapshot: bool(touched_claims(snapshot)) or not snapshot.knows(*CLAIM),
)
