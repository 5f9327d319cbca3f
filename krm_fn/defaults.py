"""RolloutDefaults: what a workload lacks for a safe rollout, added where nothing stands."""

from __future__ import annotations

import importlib
from typing import Any

from helm_safe.core.annotations import DEFAULTS
from helm_safe.core.findings import Severity
from krm_fn.function import Call, Function
from krm_fn.injectors import INJECTORS
from krm_fn.injectors.made import add
from krm_fn.pods import workloads
from krm_fn.selection import CHOICE, WORKLOADS, is_meant


def _run(call: Call) -> None:
    found = [each for each in workloads(call.items, call.spec["workloads"]) if is_meant(call.spec, each.item)]
    if not found:
        call.report("KRM-001", Severity.WARNING, "The config selects no workload: nothing was done.")
    for workload in found:
        if not workload.containers:
            call.report(
                "KRM-002",
                Severity.ERROR,
                f"{workload.item.where}: {workload.item} has no containers.",
                item=workload.item,
                path=(*workload.path, "spec", "containers"),
            )
    for field, place in INJECTORS.items():
        if field in call.spec:
            importlib.import_module(place).inject(call, found, call.spec[field])
    for workload in found:  # the proof that we ran: on the workload, not on its pods, which would restart
        add(call, workload.item, ("metadata", "annotations", DEFAULTS), call.name or "defaults")


def _schema() -> dict[str, Any]:
    parts = {field: importlib.import_module(place).SCHEMA for field, place in INJECTORS.items()}
    return {
        "type": "object",
        "properties": {
            **CHOICE,
            "workloads": WORKLOADS,
            "profiles": {
                "type": "array",
                "items": {"type": "string", "minLength": 1},
                "description": "Values for what is not stated here; a later one wins over an earlier one.",
            },
            "define": {
                "type": "object",
                "additionalProperties": {"type": "object", "additionalProperties": {}},
                "description": "Profiles of your own.",
            },
            **parts,
        },
    }


DOC = """
Adds what a workload lacks for a safe rollout. What a team wrote is never replaced, and a field that is there,
even with the value `null` or `{}`, is left alone: that is how one probe of one container is opted out of.

`spec.probes` adds startup, readiness and liveness probes. Every probe must be derived from the object itself or from
a Service of the same build; where that is not possible a finding says so and nothing is added. `spec.rollout`,
`spec.shutdown`, `spec.disruptionBudget` and `spec.canary` add what the schema says; an absent field adds nothing.
`spec.profiles` names sets of them. See docs/krm.md.
"""


def _prepared(spec: dict[str, Any]) -> dict[str, Any]:
    if "profiles" not in spec and "define" not in spec:
        return spec
    from krm_fn.profiles import layered

    return layered(spec)


FUNCTION = Function(
    kind="RolloutDefaults",
    run=_run,
    schema=_schema(),
    summary="adds the probes, rollout and canary defaults that workloads lack",
    doc=DOC,
    prepare=_prepared,
)
