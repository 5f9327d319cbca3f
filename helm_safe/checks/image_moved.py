"""IMG-002: a tag that does not say which code it is."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from helm_safe.checks.base import INFO, NODE, POD, WARNING, Check
from helm_safe.checks.facts import workloads
from helm_safe.checks.image_missing import canonical
from helm_safe.checks.settings import recoded
from helm_safe.core.findings import Finding
from helm_safe.core.objects import dig, sequence
from helm_safe.core.workloads import images, pod_template
from helm_safe.model.snapshot import Snapshot

_MUTABLE = re.compile(
    r"(?:latest|main|master|develop|development|dev|edge|nightly|snapshot|staging|stage|prod|production|test|qa|current)",
    re.IGNORECASE,
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{8,64}")


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    digests, told, recodes = seen_digests(snapshot), set(), any(recoded(snapshot))
    for workload in workloads(snapshot.change.target, long_running=True):
        now = images(pod_template(snapshot.change.current.objects.get(workload.ref, {})))
        for image in images(workload.template):
            name = canonical(image)
            known = sorted(digests.get(name, ()))
            if image in told or "@" in image:
                continue
            if len(known) > 1:
                told.add(image)
                yield _moved(str(workload.ref), image, known)
            elif image in now and _MUTABLE.fullmatch(name.rpartition(":")[2]):
                told.add(image)
                yield _same(str(workload.ref), image, known, snapshot)._replace(severity=INFO if recodes else WARNING)


def seen_digests(snapshot: Snapshot) -> dict[str, set[str]]:
    """Image -> the digests under which live pods started it and nodes hold it."""
    found: dict[str, set[str]] = defaultdict(set)
    for pod in snapshot.of_kind(*POD):
        for status in sequence(pod, "status", "initContainerStatuses") + sequence(pod, "status", "containerStatuses"):
            digest, image = _DIGEST.search(str(dig(status, "imageID") or "")), dig(status, "image")
            # An image that was loaded by hand has the hash of its configuration instead of a registry's digest.
            if digest and image and "@" in str(dig(status, "imageID")):
                found[canonical(str(image))].add(digest[0])
    for node in snapshot.of_kind(*NODE):
        for held in sequence(node, "status", "images"):
            names = [str(name) for name in sequence(held, "names") if name]
            hashes = {match[0] for name in names if "@" in name and (match := _DIGEST.search(name))}
            tags = [canonical(name) for name in names if "@" not in name]
            if len(hashes) == 1:
                for name in tags:
                    found[name] |= hashes
    return found


def _moved(owner: str, image: str, known: list[str]) -> Finding:
    return Finding(
        CHECK.id,
        WARNING,
        f"The tag of {image} has been moved: the cluster knows {len(known)} images by that name, and the rollback"
        " may run another one than the target ran.",
        object=owner,
        field="image",
        evidence=tuple(f"seen: {each}" for each in known[:10]),
        remediation="Find out which digest the target ran, and pin it in the chart.",
    )


def _same(owner: str, image: str, known: list[str], snapshot: Snapshot) -> Finding:
    whole = snapshot.change.current.number
    return Finding(
        CHECK.id,
        WARNING,
        f"Both revisions run {image}, a tag that is moved with every build: the rollback brings no older code of it"
        f" back than revision {whole} runs.",
        object=owner,
        field="image",
        evidence=(f"in both revisions: {image}", *(f"seen: {each}" for each in known)),
        remediation="Pin the digest or a version in the chart; to get the older code back now, deploy it by its"
        " digest.",
    )


CHECK = Check(
    "IMG-002",
    "Tag that moves",
    WARNING,
    "The cluster holds several images under a tag of the target, or both revisions name the same moving tag (latest,"
    " main and the like): a rollback by tag then does not bring back the code that ran.",
    "Pin digests or versions in the chart.",
    _run,
    needs=(POD,),
)
