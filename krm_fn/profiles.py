"""Named profiles of RolloutDefaults: values for the fields that a config does not state itself."""

from __future__ import annotations

from typing import Any

from krm_fn.errors import UsageError, nearest

PROFILES: dict[str, dict[str, Any]] = {
    # A debugger stops a process for minutes: nothing that kills.
    "dev": {"probes": {"add": ["readiness"]}},
    "staging": {"probes": {}, "rollout": {}},
    "prod": {
        "probes": {},
        "rollout": {},
        "shutdown": {},
        "disruptionBudget": {},
        "canary": {"annotations": {"steps": "1,10,50,100", "bake": "60s"}},
    },
    "jvm": {
        "probes": {"times": {"startup": {"periodSeconds": 10, "failureThreshold": 30}}},
        "rollout": {"minReadySeconds": 20},
        "canary": {"annotations": {"bake": "120s"}},
    },
}


def layered(spec: dict[str, Any]) -> dict[str, Any]:
    """A spec with what its profiles state: the spec's own fields win, then the last profile named.

    `define` holds profiles of the config itself, which may replace ours. Raises UsageError for an unknown one.
    """
    known = {**PROFILES, **spec.get("define", {})}
    merged: dict[str, Any] = {}
    for name in spec.get("profiles", []):
        if name not in known:
            raise UsageError(f"spec.profiles: {name!r} is not known{nearest(name, sorted(known))}")
        merged = _over(known[name], merged)
    own = {key: value for key, value in spec.items() if key not in ("profiles", "define")}
    return _over(own, merged)


def _over(upper: dict[str, Any], lower: dict[str, Any]) -> dict[str, Any]:
    """Mappings are merged, everything else is replaced whole."""
    merged = dict(lower)
    for key, value in upper.items():
        below = lower.get(key)
        merged[key] = _over(value, below) if isinstance(value, dict) and isinstance(below, dict) else value
    return merged
