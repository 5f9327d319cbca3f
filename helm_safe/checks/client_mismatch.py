"""CLIENT-001: the Helm at hand, its flags and the revisions' apply method do not fit together."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, WARNING, Check
from helm_safe.checks.facts import server_side
from helm_safe.core.findings import Finding, Severity
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    for severity, message, remedy in (*_flags(snapshot), *_methods(snapshot)):
        evidence = (
            f"Helm at hand: {snapshot.helm}",
            f"revision {snapshot.change.current.number}: {snapshot.change.current.apply_method or 'client-side'}",
            f"revision {snapshot.change.target.number}: {snapshot.change.target.apply_method or 'client-side'}",
        )
        yield Finding(CHECK.id, severity, message, evidence=evidence, remediation=remedy)


def _flags(snapshot: Snapshot) -> Iterator[tuple[Severity, str, str]]:
    """Flags that Helm would refuse only after it has written its record."""
    native, remedy = snapshot.settings.native, "Leave the flag out, or use the Helm that fits it."
    if snapshot.helm.major < 4:
        given = [name for name, on in (("--force-conflicts", native.force_conflicts),) if on]
        given += ["--server-side"] if native.server_side == "true" else []
        given += ["--description"] if native.description else []
        if given:
            yield ERROR, f"{' and '.join(given)} does not exist in Helm {snapshot.helm}.", remedy
        return
    if native.description and (snapshot.helm.major, snapshot.helm.minor) < (4, 3):
        yield ERROR, f"--description needs Helm v4.3 or newer; this is {snapshot.helm}.", remedy
    if native.force_replace and native.force_conflicts:
        yield ERROR, "--force-replace and --force-conflicts exclude each other.", "Choose one of them."
    elif native.force_replace and server_side(snapshot):
        yield ERROR, "--force-replace is impossible with server-side apply.", "Add --server-side=false."
    elif native.force_conflicts and not server_side(snapshot):
        yield ERROR, "--force-conflicts is impossible with client-side apply.", "Leave it out: there are no conflicts."


def _methods(snapshot: Snapshot) -> Iterator[tuple[Severity, str, str]]:
    current, target = snapshot.change.current, snapshot.change.target
    if snapshot.helm.major < 4 and (current.server_side or target.server_side):
        yield (
            WARNING,
            "Helm 3 rolls back a release of Helm 4: the new revision becomes client-side, with mixed field owners.",
            "Use Helm 4 for this release.",
        )
    elif snapshot.helm.major >= 4 and current.server_side != target.server_side:
        yield (
            WARNING,
            "The two revisions were applied by different methods: fields owned by server-side apply may survive.",
            "Say which one to use with --server-side=true or --server-side=false.",
        )


CHECK = Check(
    "CLIENT-001",
    "Helm and apply method mixed",
    WARNING,
    "Helm 3 on a release of Helm 4 drops its apply method; flags that do not fit the method are refused only after a"
    " record was written.",
    "Use the Helm that last upgraded the release, with flags that it knows.",
    _run,
)
