"""A `helm upgrade` in the place of a rollback: what it would make is a revision of the history before it is made.

So the stages of a rollback bring the new revision's pods up, judge them and return to them, and only the native call is
another one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from helm_safe.helm.binary import HelmBinary
from helm_safe.helm.parsing import Parser
from helm_safe.helm.payload import UndecodableError
from helm_safe.helm.releases import GRACE
from helm_safe.model.errors import UsageError
from helm_safe.model.revisions import History, Release, Revision, RevisionStatus
from helm_safe.model.settings import NativeOptions
from helm_safe.model.snapshot import HelmVersion, Served
from helm_safe.ports import Check, NativeResult, Releases

_WAITS = (
    "--wait",
    "--atomic",
    "--rollback-on-failure",
    "--wait-for-jobs",
    "--install",
    "-i",
    "--dry-run",
    "--namespace",
    "-n",
)
"""Flags of `helm upgrade` that belong to the guard: it judges health itself, and takes no first release."""


@dataclass(frozen=True)
class Upgrading:
    """The port Releases, where the revision `wanted` is reached by an upgrade. words: the chart and Helm's flags."""

    inner: Releases
    binary: HelmBinary
    wanted: Revision
    words: tuple[str, ...]

    def fenced(self, check: Check) -> Upgrading:
        return replace(self, inner=self.inner.fenced(check), binary=replace(self.binary, check=check))

    def version(self) -> HelmVersion:
        return self.inner.version()

    def history(self, release: Release) -> History:
        """The wanted revision stands first, out of the order of numbers: the last one is the base of Helm's diff."""
        found = self.inner.history(release)
        return replace(found, revisions=(self.wanted, *found.revisions))

    def rollback(self, release: Release, revision: int, options: NativeOptions, *, timeout: float) -> NativeResult:
        """The native upgrade for the wanted revision, else the native rollback."""
        if revision != self.wanted.number:
            return self.inner.rollback(release, revision, options, timeout=timeout)
        command = ["upgrade", release.name, *self.words, "--timeout", f"{max(1, round(timeout))}s"]
        command += ["--no-hooks"] if options.no_hooks else []
        command += ["--force-conflicts"] if options.force_conflicts else []
        return self.binary.act(release, command, timeout=timeout + GRACE)

    def delete_record(self, release: Release, record: str, expect_status: str) -> None:
        self.inner.delete_record(release, record, expect_status)


def check_words(words: Sequence[str]) -> None:
    """Raise UsageError for flags that belong to the guard."""
    taken = [word for word in words if word.partition("=")[0] in _WAITS]
    if taken:
        raise UsageError(
            f"{', '.join(taken)}: that is what `forward` looks after itself", "Leave it out; give -n before RELEASE."
        )


def wanted_revision(binary: HelmBinary, release: Release, words: Sequence[str], last: int, served: Served) -> Revision:
    """What the upgrade would make, by Helm's own server-side dry run. Raises UsageError with Helm's words."""
    command = ["upgrade", release.name, *words, "--dry-run=server", "--output", "json"]
    code, out, err = binary.read(release, command)
    if code:
        raise UsageError(f"helm cannot render the upgrade: {err.strip()[-600:]}", "Nothing was touched.")
    try:
        found = Parser(release, served).revision({**json.loads(out), "version": last + 1})
    except (ValueError, UndecodableError) as error:
        raise UsageError(f"what helm rendered cannot be read: {error}", "Nothing was touched.") from None
    return replace(
        found, number=last + 1, status=RevisionStatus.SUPERSEDED, description="Upgrade complete", future=True
    )
