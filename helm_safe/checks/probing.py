"""Weaknesses of pods, and how they are told: those that the rollback brings one by one, old ones in a single line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from helm_safe.checks.base import INFO, WARNING, Check
from helm_safe.checks.facts import Workload, workloads
from helm_safe.core.findings import Finding, Severity
from helm_safe.core.objects import Object
from helm_safe.core.probes import Probe
from helm_safe.core.workloads import containers, init_containers, sidecar
from helm_safe.model.revisions import Revision
from helm_safe.model.snapshot import Snapshot


class Weakness(NamedTuple):
    """One thing that a rule saw. container: "" where it concerns the whole pod. what: the rest of a sentence after the
    place. standing: the current revision having it too makes it no milder, because this rollback meets it.
    """

    workload: Workload
    container: str
    field: str
    what: str
    evidence: tuple[str, ...] = ()
    severity: Severity = WARNING
    standing: bool = False

    @property
    def place(self) -> str:
        return f"Container {self.container} of {self.workload.ref}" if self.container else str(self.workload.ref)

    @property
    def key(self) -> tuple[object, ...]:
        return self.workload.ref, self.container, self.field

    @property
    def path(self) -> str:
        where = f"spec.template.spec.containers[{self.container}]." if self.container else ""
        return f"{where}{self.field}"


_SHELLS = ("sh", "bash", "/bin/sh", "/bin/bash", "-c", "-lc", "-ec", "exec", "set", "-e")

Rule = Callable[[Snapshot, Revision], Iterator[Weakness]]


def probed(revision: Revision) -> Iterator[tuple[Workload, Object]]:
    """The containers of a revision whose probes count: main ones and native sidecars."""
    for workload in workloads(revision, long_running=True):
        template = workload.template
        for container in (*containers(template), *(each for each in init_containers(template) if sidecar(each))):
            yield workload, container


def asked(found: Probe) -> str:
    """What a probe asks, in a few words; of a command its program only, because arguments may hold passwords."""
    kind, *words = found.handler
    if kind != "exec":
        return " ".join(part for part in found.handler if part)
    script = [word for each in words for word in each.split() if word not in _SHELLS][:1]
    return " ".join([kind, *script])[:80]


def report(check: Check, snapshot: Snapshot, rule: Rule) -> Iterator[Finding]:
    """What the target is weak in. Weaknesses of the current revision as well are told once, as information."""
    found = list(rule(snapshot, snapshot.change.target))
    before = {each.key for each in rule(snapshot, snapshot.change.current)} if found else set()
    old = [each for each in found if each.key in before and not each.standing]
    for each in found:
        if each not in old:
            yield _finding(check, each)
    if old:
        yield _inherited(check, snapshot, old)


def _finding(check: Check, each: Weakness) -> Finding:
    return Finding(
        check.id,
        each.severity,
        f"{each.place} {each.what}.",
        object=str(each.workload.ref),
        field=each.path,
        evidence=each.evidence,
        remediation=check.remedy,
    )


def _inherited(check: Check, snapshot: Snapshot, old: list[Weakness]) -> Finding:
    first, number = old[0], snapshot.change.current.number
    many = f" So do {len(old) - 1} more places." if len(old) > 1 else ""
    return Finding(
        check.id,
        INFO,
        f"{first.place} {first.what}, in revision {number} as well.{many}",
        object=str(first.workload.ref),
        field=first.path,
        evidence=first.evidence if len(old) == 1 else tuple(f"{each.place} {each.what}" for each in old[:20]),
        remediation=check.remedy,
    )
