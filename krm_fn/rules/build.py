"""What a rule looks at, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from helm_safe.core.objects import Object
from krm_fn.items import Item, Items, Path
from krm_fn.pods import Workload, workloads


class Violation(NamedTuple):
    """One thing that a rule refuses. path: in the object. message: one sentence that says what it does to users."""

    check: str
    item: Item
    path: Path
    message: str
    remediation: str = ""


class Build:
    """The objects of a build, and the config's spec."""

    def __init__(self, items: Items, spec: dict[str, Any]) -> None:
        self.items = items
        self.spec = spec
        self.workloads = list(workloads(items, spec["workloads"]))

    def containers(self) -> Iterator[tuple[Workload, Path, Object]]:
        """The containers that teams write: without side-cars."""
        for workload in self.workloads:
            for path, container in workload.own_containers:
                yield workload, path, container


Rule = Callable[[Build], Iterator[Violation]]
