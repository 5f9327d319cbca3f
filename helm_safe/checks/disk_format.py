"""DISK-001: an older engine would meet files that a newer one has written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from helm_safe.checks.base import ERROR, Check
from helm_safe.checks.doubles import image_of, mounts_of
from helm_safe.checks.engines import Engine, Version, engine_of, operated, version_of
from helm_safe.checks.facts import Workload, between, workloads
from helm_safe.checks.volumes import lasting_volumes
from helm_safe.core.findings import Finding
from helm_safe.core.objects import ObjectRef
from helm_safe.core.workloads import container_name, containers
from helm_safe.model.revisions import Revision
from helm_safe.model.snapshot import Snapshot


class Seat(NamedTuple):
    """Where an engine stands in a revision. version: None where its image's tag tells none."""

    engine: Engine
    version: Version | None
    spelled: str


Place = tuple[ObjectRef, str]


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    target = _seats(snapshot.change.target)
    later = [(each, _seats(each)) for each in between(snapshot)] if target else []
    current = _seats(snapshot.change.current)
    for place, seat in target.items():
        now = current.get(place)
        if now is not None and now.spelled == seat.spelled:
            continue
        newer = [(revision, seats[place]) for revision, seats in later if place in seats]
        newer = [(revision, each) for revision, each in newer if each.engine is seat.engine]
        yield from _judge(place, seat, newer)


def _judge(place: Place, seat: Seat, newer: list[tuple[Revision, Seat]]) -> Iterator[Finding]:
    """The newest version that any of the undone revisions brought has left its format on the disk."""
    known = [(each.version, revision, each) for revision, each in newer if each.version]
    if seat.version is None or (newer and not known):
        yield from _unknown(place, seat, newer)
        return
    if known:
        best, revision, other = max(known, key=lambda each: (each[0], each[1].number))
        after, before = seat.engine.component(seat.version), seat.engine.component(best)
        if after != before and _floats(seat.version, best):
            yield from _unknown(place, seat, newer)
        elif before > after:
            yield _finding(place, seat, revision, other)


def _floats(one: Version, other: Version) -> bool:
    """Whether the shorter of two tags may mean the longer one: redis:7 is 7.4 at some time."""
    least = min(len(one), len(other))
    return len(one) != len(other) and one[:least] == other[:least]


def _seats(revision: Revision) -> dict[Place, Seat]:
    found: dict[Place, Seat] = {}
    for workload in workloads(revision, long_running=True):
        for container in containers(workload.template):
            image = image_of(container)
            engine = engine_of(image)
            if engine and (engine.anywhere or _keeps(workload, container_name(container))):
                found[workload.ref, container_name(container)] = Seat(engine, version_of(image, engine), image)
    for ref, obj in revision.objects.items():
        stated = operated(obj, (ref.group, ref.kind))
        if stated:
            found[ref, ""] = Seat(*stated, ".".join(map(str, stated[1])))
    return found


def _keeps(workload: Workload, container: str) -> bool:
    """Whether a container writes to a volume that outlives its pod."""
    return any(
        owner == container and mount.get("readOnly") is not True
        for volume in lasting_volumes(workload)
        for owner, mount in mounts_of(workload.template, volume)
    )


def _finding(place: Place, seat: Seat, revision: Revision, newer: Seat) -> Finding:
    ref, container = place
    who = f"Container {container} of {ref}" if container else str(ref)
    return Finding(
        CHECK.id,
        seat.engine.severity,
        f"{who} goes back to {seat.engine.name} {_text(seat)} on data that {_text(newer)} has written: it would not"
        f" read it, or not safely.",
        object=str(ref),
        field=f"spec.template.spec.containers[{container}].image" if container else "spec",
        evidence=(
            f"target: {seat.spelled}",
            f"revision {revision.number}: {newer.spelled}",
            f"what the older one says of newer files: {seat.engine.says}",
        ),
        remediation=CHECK.remedy,
    )


def _unknown(place: Place, seat: Seat, newer: list[tuple[Revision, Seat]]) -> Iterator[Finding]:
    other = newer[-1][1] if newer else None
    if other is not None and other.spelled != seat.spelled:
        yield CHECK.unverified(
            f"{place[0]} changes its {seat.engine.name} image, and the tags do not tell which one is older.",
            f"target: {seat.spelled}",
            f"revision {newer[-1][0].number}: {other.spelled}",
            object=str(place[0]),
            remediation="Compare the versions of the two images before you go on.",
        )


def _text(seat: Seat) -> str:
    return ".".join(map(str, seat.version or ())) or seat.spelled


CHECK = Check(
    "DISK-001",
    "Files of a newer format",
    ERROR,
    "A database, cache or queue of the release goes back to an older version while its volume stays: most engines"
    " refuse files that a newer version has written, and some damage them. Every revision being undone counts, because"
    " what it wrote is still there. A warning for engines that only sometimes refuse.",
    "Keep the engine at its version (pin its image and roll forward), or restore a backup of before the upgrade.",
    _run,
)
