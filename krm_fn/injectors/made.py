"""What injectors share that make objects or extend lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from helm_safe.core.findings import Severity
from helm_safe.core.objects import Object, name_of, namespace_of
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


def create(call: Call, obj: Object, item: Item) -> bool:
    """Make an object for an item; False, and a finding, where another one has its name."""
    kind, name, namespace = obj["kind"], name_of(obj), namespace_of(obj)
    taken = call.items.find(kind, name, namespace) is not None
    if taken or any(
        (each["kind"], name_of(each), namespace_of(each)) == (kind, name, namespace) for each in call.created
    ):
        call.report(
            "KRM-005",
            Severity.WARNING,
            f"There is a {kind}/{name} already that is not for {item}: none was made.",
            item=item,
            remediation="Give that one another name, or leave this object out of the config's selection.",
        )
        return False
    call.create(obj)
    return True


def add(call: Call, item: Item, path: Path, value: Any) -> None:
    """Add a value where nothing stands; a finding where a YAML anchor is in the way."""
    with report_place(call, item, path):
        item.add(path, value)


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
