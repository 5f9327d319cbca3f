"""PROBE-015: a pod gets less time to end than it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from helm_safe.checks.base import WARNING, Check
from helm_safe.checks.facts import workloads
from helm_safe.checks.probing import Weakness, report
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, dig, sequence
from helm_safe.core.quantities import parse_duration
from helm_safe.core.workloads import container_name, containers
from helm_safe.model.revisions import Revision
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    return report(CHECK, snapshot, _rule)


_GRACE = 30.0
_SLEEP = re.compile(r"(?:^|[\s;&/])sleep (\d{1,6}(?:\.\d+)?)s?(?![\d.mhd])")
_ISO = re.compile(r"PT(?:(\d+)M)?(?:(\d+)S)?")
# Variables by which an application says how long it wants to finish what it has begun.
_SHUTDOWN = ("SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE", "QUARKUS_SHUTDOWN_TIMEOUT", "GRACEFUL_TIMEOUT")


def _rule(_snapshot: Snapshot, revision: Revision) -> Iterator[Weakness]:
    for workload in workloads(revision, long_running=True):
        stated = dig(workload.template, "spec", "terminationGracePeriodSeconds")
        grace = float(stated) if isinstance(stated, int) and not isinstance(stated, bool) else _GRACE
        for container in containers(workload.template):
            pause, own = _pause(container), _own(container)
            if (pause and pause >= grace) or pause + own > grace:
                what = f"is killed amid its work: it wants {pause + own:.0f} s to end and gets {grace:.0f} s"
                evidence = (
                    f"preStop: {pause:.0f} s",
                    f"own shutdown: {own:.0f} s" if own else "own shutdown: not stated",
                )
                yield Weakness(workload, container_name(container), "lifecycle", what, evidence)


def _pause(container: Object) -> float:
    """Seconds for which the preStop hook sleeps."""
    hook = dig(container, "lifecycle", "preStop")
    seconds = dig(hook, "sleep", "seconds")
    if isinstance(seconds, int) and not isinstance(seconds, bool):
        return float(min(seconds, 10**6))
    words = " ".join(str(each) for each in sequence(hook, "exec", "command"))[:4096]
    return sum(float(each) for each in _SLEEP.findall(words))


def _own(container: Object) -> float:
    """Seconds that the application says it may need, in its environment."""
    for variable in sequence(container, "env"):
        if dig(variable, "name") in _SHUTDOWN and dig(variable, "value") is not None:
            return _seconds(str(dig(variable, "value")))
    return 0.0


def _seconds(text: str) -> float:
    iso = _ISO.fullmatch(text[:32].upper())
    if iso:
        return float(iso[1] or 0) * 60 + float(iso[2] or 0)
    try:
        return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else max(parse_duration(text), 0.0)
    except ValueError:
        return 0.0


CHECK = Check(
    "PROBE-015",
    "Killed while it ends",
    WARNING,
    "The preStop hook sleeps as long as the grace period or longer, or together with the shutdown time that the "
    "application states it exceeds it: requests under way are cut off whenever a pod is replaced.",
    "Set terminationGracePeriodSeconds above preStop plus the shutdown time plus 5 s.",
    _run,
)
