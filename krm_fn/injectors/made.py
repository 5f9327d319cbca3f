"""What injectors share that make objects or extend lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from helm_safe.core.findings import Severity
from helm_safe.core.objects import Object
from helm_safe.core.yamledit import NoPlace
from krm_fn.function import Call
from krm_fn.items import Item, Path


def beside(item: Item, kind: Mapping[str, str], name: str, spec: Mapping[str, Any]) -> Object:
    """A new object in the namespace and with the labels of another one."""
    metadata: Object = {"name": name}
    if item.namespace:
        metadata["namespace"] = item.namespace
    if item.labels:
        metadata["labels"] = dict(item.labels)
    return {**kind, "metadata": metadata, "spec": dict(spec)}


@contextmanager
def report_place(call: Call, item: Item, path: Path) -> Iterator[None]:
    """A finding instead of an error where a YAML anchor is in the way."""
    try:
        yield
    except NoPlace:
        call.report(
            "KRM-003",
            Severity.WARNING,
            f"A part of {item} is shared through a YAML anchor: it was left as it is.",
            item=item,
            path=path,
            remediation="Write it out.",
        )
