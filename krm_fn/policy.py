"""RolloutPolicy: what must not be in a build, because a rollout or rollback with it would hurt users."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from helm_safe.core.annotations import EXEMPT
from helm_safe.core.findings import Severity
from krm_fn.errors import UsageError, nearest
from krm_fn.exemptions import exemptions
from krm_fn.function import Call, Function
from krm_fn.items import Item
from krm_fn.rules import OFF, RULES
from krm_fn.rules.build import Build, Violation
from krm_fn.selection import CHOICE, CONTAINERS, WORKLOADS, is_meant

BAD_EXEMPTION = "KRM-011"


def _run(call: Call) -> None:
    severities = _severities(call.spec["rules"])
    build = Build(call.items, call.spec)
    reasons: dict[int, dict[str, str]] = {}
    for item in call.items:
        if EXEMPT in item.annotations:
            reasons[item.index] = _exemptions(call, item)
    for found in _violations(build, severities):
        if found.check in severities and is_meant(call.spec, found.item):
            waiver = reasons.get(found.item.index, {}).get(found.check, "")
            severity = Severity.INFO if waiver else Severity(severities[found.check])
            call.report(
                found.check,
                severity,
                found.message,
                item=found.item,
                path=found.path,
                remediation=found.remediation,
                waiver=waiver,
            )
    call.silent = call.spec["output"] == "none"


def _severities(stated: dict[str, str]) -> dict[str, str]:
    """Id -> severity of the rules that are on. Raises UsageError for an id that nobody knows."""
    unknown = next((each for each in stated if each not in RULES), None)
    if unknown:
        raise UsageError(f"spec.rules.{unknown}: there is no such rule{nearest(unknown, list(RULES))}")
    every = {check: stated.get(check, row.severity) for check, row in RULES.items()}
    return {check: severity for check, severity in every.items() if severity != OFF}


def _violations(build: Build, severities: dict[str, str]) -> Iterator[Violation]:
    for place in dict.fromkeys(RULES[check].place for check in severities):
        yield from importlib.import_module(f"krm_fn.rules.{place}").check(build)


def _exemptions(call: Call, item: Item) -> dict[str, str]:
    """Id -> reason, from an annotation of lines or parts such as "PROBE-005: legacy, until March"."""
    found: dict[str, str] = {}
    for check, reason in exemptions(item):
        if check in RULES and reason:
            found[check] = reason
        else:
            what = f"gives no reason for {check}" if check in RULES else f"names {check!r}, which is no rule"
            call.report(
                BAD_EXEMPTION,
                Severity.ERROR,
                f"The annotation {EXEMPT} of {item} {what}.",
                item=item,
                path=("metadata", "annotations", EXEMPT),
                remediation='Write "ID: reason", such as "PROBE-005: legacy, until March".',
            )
    return found


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        **CHOICE,
        "workloads": WORKLOADS,
        "rules": {
            "type": "object",
            "default": {},
            "description": "Severity by the id of a rule; absent: as the table says.",
            "additionalProperties": {"type": "string", "enum": ["error", "warning", "info", OFF]},
        },
        "bootTimes": {
            "type": "array",
            "default": [],
            "description": "How long starts may take; an annotation helm-safe.dev/boot-time of a workload wins.",
            "items": {
                "type": "object",
                "required": ["time"],
                "properties": {
                    "select": {**CONTAINERS, "default": {}},
                    "time": {"type": "string", "minLength": 1, "description": "Such as 90s or 2m."},
                },
            },
        },
        "output": {
            "type": "string",
            "enum": ["same", "none"],
            "default": "same",
            "description": "What a good build prints. none: nothing, for `validators:` alone; among `transformers:` it"
            " would delete the build.",
        },
    },
}

DOC = """
Refuses what would hurt users in a rollout or rollback, each with a permanent id, in one sentence. List it last among
`transformers:`: a good build passes through unchanged, a bad one ends with exit code 1 and no output.

An object is let through by its annotation `helm-safe.dev/exempt: "ID: reason"`, several separated by ";" or lines.

| id | severity | refuses |
|---|---|---|
""" + "\n".join(f"| {check} | {row.severity} | {row.title} |" for check, row in RULES.items())

FUNCTION = Function(
    kind="RolloutPolicy",
    run=_run,
    schema=SCHEMA,
    summary="refuses probes, budgets and routes that would hurt users in a rollout",
    doc=DOC,
)
