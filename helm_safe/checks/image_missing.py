"""IMG-001: an image of the target may no longer be had."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from helm_safe.checks.base import INFO, NODE, POD, WARNING, Check
from helm_safe.checks.facts import waiting, workloads
from helm_safe.core.findings import Finding, Severity, Status
from helm_safe.core.objects import dig, sequence
from helm_safe.core.workloads import images
from helm_safe.model.snapshot import Snapshot

_PULL_FAILURES = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    users: dict[str, list[str]] = defaultdict(list)
    for workload in workloads(snapshot.change.target):
        for image in images(workload.template):
            users[image].append(str(workload.ref))
    failures, seen = pull_failures(snapshot), _seen(snapshot)
    for image, owners in users.items():
        if image in failures:
            yield _broken(image, owners, failures[image])
        elif canonical(image) not in seen:
            yield _unseen(image, owners)


def pull_failures(snapshot: Snapshot) -> dict[str, str]:
    """Image -> which live pod cannot pull it and why."""
    return {
        image: f"Pod/{name} waits: {reason}"
        for image, reason, name in waiting(snapshot.of_kind(*POD))
        if reason in _PULL_FAILURES
    }


def canonical(image: str) -> str:
    """The full name of an image: nginx -> docker.io/library/nginx:latest."""
    name, digest_mark, digest = image.partition("@")
    first, slash, rest = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        name = f"docker.io/{name}" if slash else f"docker.io/library/{name}"
    else:
        name = f"{first}/{rest}"
    if digest_mark:
        return f"{name.rpartition(':')[0] if ':' in name.rpartition('/')[2] else name}@{digest}"
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _seen(snapshot: Snapshot) -> set[str]:
    """Images that a node holds or that a live container has started from."""
    names = [
        name
        for node in snapshot.of_kind(*NODE)
        for image in sequence(node, "status", "images")
        for name in sequence(image, "names")
    ]
    names += [
        dig(status, "image")
        for pod in snapshot.of_kind(*POD)
        for status in sequence(pod, "status", "initContainerStatuses") + sequence(pod, "status", "containerStatuses")
        if dig(status, "imageID")
    ]
    return {canonical(str(name)) for name in names if name}


def _broken(image: str, owners: list[str], failure: str) -> Finding:
    return Finding(
        CHECK.id,
        Severity.ERROR,
        f"The image {image} of the target cannot be pulled right now.",
        object=owners[0],
        field="image",
        evidence=(failure, *(f"used by {owner}" for owner in dict.fromkeys(owners))),
        remediation="Push the image again or repair the pull secret, then try again; or choose another revision.",
    )


def _unseen(image: str, owners: list[str]) -> Finding:
    return Finding(
        CHECK.id,
        INFO,
        f"Whether the image {image} of the target can still be pulled is not verified.",
        object=owners[0],
        field="image",
        evidence=("no node lists it and no live pod has started from it", f"used by {owners[0]}"),
        remediation=f"Ask your registry for {image} before you go on, e.g. with crane manifest {image}.",
        status=Status.UNVERIFIED,
    )


CHECK = Check(
    "IMG-001",
    "Image may be missing",
    WARNING,
    "Registries delete old tags. A live pod that cannot pull the same image is proof of trouble; an image that no node"
    " holds and no live pod runs is unverified.",
    "Make sure that the registry still has the image.",
    _run,
    needs=(POD, NODE),
)
