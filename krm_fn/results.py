"""Results of a run: as entries of a ResourceList, and as lines for people."""

from __future__ import annotations

from typing import Any

from helm_safe.core.findings import Finding, Severity, Status
from helm_safe.core.objects import Object
from krm_fn.function import Result
from krm_fn.items import Change, Item, Items, path_text


def additions(items: Items) -> list[Result]:
    """One result of severity info per change of an item."""
    return [_addition(item, change) for item in items for change in item.changes]


def _addition(item: Item, change: Change) -> Result:
    last = change.path[-1]
    name = f"An entry of {change.path[-2]}" if isinstance(last, int) else last
    message, field = f"{name} was {change.done}.", path_text(change.path)
    return Result(Finding("KRM-100", Severity.INFO, message, str(item), field), item, change.value)


def to_json(result: Result) -> Object:
    """The entry that the KRM specification defines."""
    finding, item = result.finding, result.item
    entry: dict[str, Any] = {"message": _message(finding), "severity": finding.severity.value}
    if item is not None and item.name:
        entry["resourceRef"] = _reference(item)
        if finding.field:
            entry["field"] = {"path": finding.field}
            if result.proposed is not None:
                entry["field"]["proposedValue"] = result.proposed
        if item.file:
            entry["file"] = {"path": item.file}
    entry["tags"] = {"check": finding.check}
    return entry


def line(result: Result) -> str:
    """One line for people: "warning: Deployment/web spec.template…: what is wrong [PROBE-001]"."""
    from helm_safe.core.printable import printable  # start-up is a budget, and most runs have nothing to say

    finding, item = result.finding, result.item
    file = f"{item.file}: " if item is not None and item.file else ""
    place = " ".join(part for part in (finding.object, finding.field) if part)
    return printable(
        f"{file}{finding.severity.value}: {place}{': ' if place else ''}{_message(finding)} [{finding.check}]"
    )


def _message(finding: Finding) -> str:
    if finding.status is Status.WAIVED:
        return f"Let through ({finding.waiver}): {finding.message}"
    return f"{finding.message} {finding.remediation}".strip()


def _reference(item: Item) -> dict[str, str]:
    reference = {"apiVersion": item.gvk.api_version, "kind": item.kind, "name": item.name}
    return {**reference, "namespace": item.namespace} if item.namespace else reference
