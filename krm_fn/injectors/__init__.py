"""The table of injectors: field of the RolloutDefaults spec -> module; one file and one line each.

Each module offers `SCHEMA` (of its field) and `inject(call, workloads, settings)`. They run in this order.
"""

INJECTORS = {
    "probes": "krm_fn.injectors.probes",
    "rollout": "krm_fn.injectors.rollout",
    "shutdown": "krm_fn.injectors.shutdown",
    "disruptionBudget": "krm_fn.injectors.disruption",
    "canary": "krm_fn.injectors.canary",
}
