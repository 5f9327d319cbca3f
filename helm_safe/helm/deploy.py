"""Deploying a build as a revision of a release: `helm upgrade --install` over a chart that holds it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from helm_safe.core.annotations import HOOK
from helm_safe.core.objects import annotations_of
from helm_safe.helm.binary import HelmBinary
from helm_safe.helm.parsing import Parser
from helm_safe.model.errors import UsageError
from helm_safe.model.revisions import Hook, Release, Revision
from helm_safe.model.snapshot import Served
from helm_safe.ports import NativeResult

GRACE = 30.0
_NEEDS_FOUR = ("--server-side", "--force-conflicts")


def as_revision(release: Release, text: str, served: Served, number: int) -> Revision:
    """The build as the revision that it would become: as in Helm's records, hooks stand apart from its objects.

    Raises UndecodableError for a build that is no readable YAML.
    """
    body = {"name": release.name, "version": number, "manifest": text, "info": {"status": "unknown"}}
    found = Parser(release, served).revision(body)
    hooks = {ref: obj for ref, obj in found.objects.items() if HOOK in annotations_of(obj)}
    return replace(
        found,
        objects={ref: obj for ref, obj in found.objects.items() if ref not in hooks},
        hooks=tuple(Hook(ref.name, ref.kind, "", (), 0, "", (obj,)) for ref, obj in hooks.items()),
    )


def check_flags(binary: HelmBinary, words: Sequence[str]) -> None:
    """Raises UsageError for flags that this Helm lacks, before anything is touched."""
    lacking = [word.partition("=")[0] for word in words if word.partition("=")[0] in _NEEDS_FOUR]
    if lacking and binary.version.major < 4:
        raise UsageError(f"Helm {binary.version} has no {', '.join(lacking)}", "Leave it out, or use Helm 4.")


def deploy(
    binary: HelmBinary, release: Release, files: Mapping[str, str], words: Sequence[str], *, timeout: float
) -> NativeResult:
    """Install or upgrade, never waiting for health. files: of the chart. words: flags of Helm. timeout: seconds for
    hooks. Raises OutcomeUnknown when helm still runs half a minute after that: it is left running.
    """
    with tempfile.TemporaryDirectory(prefix="helm-safe-") as folder:
        for name, content in files.items():
            path = Path(folder, name)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            path.write_bytes(content.encode())
        command = ["upgrade", release.name, folder, "--install", "--timeout", f"{timeout:.0f}s", *words]
        return binary.act(release, command, timeout=timeout + GRACE)
