"""PROBE-005, PROBE-006, PROBE-011, PROBE-021: what single probes ask."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.core.objects import Object, mapping
from helm_safe.core.probes import (
    HANDLERS,
    LIVENESS,
    READINESS,
    STARTUP,
    asks_dependencies,
    identical,
    probe,
    stack_of,
    unknown_port,
)
from helm_safe.core.workloads import container_name
from krm_fn.items import Path
from krm_fn.pods import Workload
from krm_fn.rules.build import Build, Violation


def check(build: Build) -> Iterator[Violation]:
    for workload, path, container in build.containers():
        yield from _handlers(workload, path, container)
        yield from _ports(workload, path, container)
        yield from _liveness(workload, path, container)


def _handlers(workload: Workload, path: Path, container: Object) -> Iterator[Violation]:
    for field in (STARTUP, READINESS, LIVENESS):
        body = container.get(field)
        if not isinstance(body, dict) or not body:
            continue
        found = [name for name in HANDLERS if body.get(name) is not None]
        if len(found) != 1:
            what = f"has {len(found)} handlers ({' and '.join(found)})" if found else "has no handler"
            yield Violation(
                "PROBE-021",
                workload.item,
                (*path, field),
                f"The {field} of container {container_name(container)} {what}: the API server refuses the object.",
                "Keep one; a patch over a probe of another kind must set the other one to null.",
            )


def _ports(workload: Workload, path: Path, container: Object) -> Iterator[Violation]:
    for field in (STARTUP, READINESS, LIVENESS):
        found = probe(container, field)
        if found and unknown_port(found, container):
            yield Violation(
                "PROBE-011",
                workload.item,
                (*path, field),
                f"The {field} of container {container_name(container)} asks port {found.port!r}, which is not declared:"
                " no new pod ever becomes ready.",
                "Name a declared port.",
            )


def _liveness(workload: Workload, path: Path, container: Object) -> Iterator[Violation]:
    live, ready, name = probe(container, LIVENESS), probe(container, READINESS), container_name(container)
    if live is None:
        return
    if ready and identical(live, ready):
        yield Violation(
            "PROBE-005",
            workload.item,
            (*path, LIVENESS),
            f"Liveness and readiness of container {name} are the same probe: an overloaded pod is killed, not spared.",
            "Let liveness ask only whether the process is alive, and give it more patience than readiness.",
        )
    if asks_dependencies(live) and not _is_engine(workload, container):
        asked = " ".join(part for part in live.handler if part)
        yield Violation(
            "PROBE-006",
            workload.item,
            (*path, LIVENESS),
            f"Liveness of container {name} asks for more than its own process ({asked}): when a dependency blinks,"
            " every pod is restarted at once.",
            "Ask an endpoint that answers as long as the process works.",
        )


def _is_engine(workload: Workload, container: Object) -> bool:
    """A database that asks itself by its own client."""
    stack = stack_of(container, mapping(workload.template, "metadata", "labels"))
    return stack is not None and stack.name == "data engine"
