"""The table of rules of RolloutPolicy: permanent id -> what it refuses; one line each.

The ids are those of the plugin's checks wherever both look for the same thing. `check` of the module
`krm_fn.rules.PLACE` yields what it finds; a module may know several rules and is asked once.
"""

from __future__ import annotations

from typing import NamedTuple

ERROR, WARNING, OFF = "error", "warning", "off"


class Row(NamedTuple):
    """place: the module. severity: unless the config says another one. title: what is refused, for people."""

    place: str
    severity: str
    title: str


RULES: dict[str, Row] = {
    "PROBE-001": Row("readiness", ERROR, "a container behind a Service without a readiness probe"),
    "PROBE-002": Row("budgets", ERROR, "a liveness probe without startup probe on a stack that starts slowly"),
    "PROBE-003": Row("budgets", ERROR, "a start that is killed before the declared boot time is over"),
    "PROBE-005": Row("probes", ERROR, "liveness and readiness that are the same probe"),
    "PROBE-006": Row("probes", ERROR, "liveness that asks for more than its own process"),
    "PROBE-011": Row("probes", ERROR, "a probe of a port that the container does not declare"),
    "PROBE-021": Row("probes", ERROR, "a probe with two handlers, or with none"),
    "TRAFFIC-001": Row("traffic", ERROR, "a route that gives about half of the users to each of two versions"),
    "TRAFFIC-010": Row("traffic", ERROR, "weights that do not add up: all zero, negative, with Istio not 100"),
    "TRAFFIC-011": Row("traffic", ERROR, "a split to a Service or subset that the build does not hold"),
    "KRM-010": Row("marker", OFF, "a workload that no RolloutDefaults looked after"),
}
