"""PROBE-002 and PROBE-003: whether a slow start is given the time that it needs."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.core.annotations import BOOT_TIME
from helm_safe.core.objects import Object
from helm_safe.core.probes import LIVENESS, STARTUP, boot_kill_after, probe, stack_of
from helm_safe.core.quantities import duration
from helm_safe.core.workloads import container_name
from krm_fn.errors import InputError, UsageError
from krm_fn.items import Path
from krm_fn.pods import Workload
from krm_fn.rules.build import Build, Violation
from krm_fn.selection import matches, selects_item


def check(build: Build) -> Iterator[Violation]:
    for workload, path, container in build.containers():
        kill = boot_kill_after(container)
        if kill is None:
            continue
        field = STARTUP if probe(container, STARTUP) else LIVENESS
        boot = _declared(build, workload, container)
        stack = stack_of(container, workload.labels)
        if boot is not None and kill < boot:
            yield _too_short(workload, (*path, field), container, kill, boot)
        elif boot is None and field == LIVENESS and stack and stack.slow:
            yield _unguarded(workload, (*path, STARTUP), container, kill, stack.name)


def _declared(build: Build, workload: Workload, container: Object) -> float | None:
    """Seconds that the container may take to start, by the workload's annotation, else by the config."""
    text = workload.item.annotations.get(BOOT_TIME)
    if text is not None:
        try:
            return duration(text)
        except ValueError as error:
            raise InputError(f"{workload.item.where}: annotation {BOOT_TIME} of {workload.item}: {error}") from None
    for index, row in enumerate(build.spec["bootTimes"]):
        select = row["select"]
        if matches(select.get("containers"), container_name(container)) and selects_item(select, workload.item):
            try:
                return duration(row["time"])
            except ValueError as error:
                raise UsageError(f"spec.bootTimes[{index}].time: {error}") from None
    return None


def _too_short(workload: Workload, path: Path, container: Object, kill: float, boot: float) -> Violation:
    return Violation(
        "PROBE-003",
        workload.item,
        path,
        f"Container {container_name(container)} is killed when it has not started after {kill:.0f} s, and may take"
        f" {boot:.0f} s: it restarts for ever.",
        f"Give its startupProbe a budget (periodSeconds x failureThreshold) of {boot * 1.5:.0f} s or more.",
    )


def _unguarded(workload: Workload, path: Path, container: Object, kill: float, stack: str) -> Violation:
    return Violation(
        "PROBE-002",
        workload.item,
        path,
        f"Container {container_name(container)} ({stack}) has no startup probe, and its liveness probe kills it after"
        f" {kill:.0f} s: a slow start ends in a restart loop.",
        "Add a startupProbe, or declare how long a start may take"
        f" (annotation {BOOT_TIME}: 20s on the workload) where that is enough.",
    )
