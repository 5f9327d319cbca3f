"""How native Helm writes one object of a manifest over the live one, as Helm 3 and as Helm 4 do it. Pure."""

from __future__ import annotations

import copy
from datetime import datetime
from typing import Any

from helm_safe.core.objects import Object
from helm_safe.model.snapshot import Resource
from tests.fakes import merging, rules
from tests.fakes.rules import Key

MANAGER = "helm"
CUSTOM = ("gateway.networking.k8s.io", "networking.istio.io", "keda.sh")
"""Groups of custom resources: Helm 3 has no schema of them and compares the two manifests only."""


def server_side(resource: Resource, key: Key, live: Object | None, wanted: Object, now: datetime) -> Object:
    """Helm 4: what the chart owns is written whole. Raises Conflict where another manager changed a field of it."""
    return rules.applied(resource, key, live, wanted, MANAGER, force=False, now=now)


def client_side(key: Key, live: Object | None, before: Object | None, wanted: Object, now: datetime) -> Object:
    """Helm 3: a three-way merge with the live object; of a custom resource only what differs between the manifests."""
    if live is None:
        return rules.managed({}, rules.fresh(wanted, now), MANAGER, now)
    if key[0] in CUSTOM:
        new = merging.merge(live, _difference(before or {}, wanted))
    else:
        new = merging.strategic(live, {name: part for name, part in wanted.items() if name != "status"})
        for path in set(merging.leaves(before or {})) - set(merging.leaves(wanted)):
            merging.drop(new, path)
    return rules.managed(live, new, MANAGER, now) if new != live else live


def _difference(before: Any, after: Any) -> Any:
    """The merge patch (RFC 7396) from one document to the other."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return copy.deepcopy(after)
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        if name not in before:
            patch[name] = copy.deepcopy(value)
        elif before[name] != value:
            patch[name] = _difference(before[name], value)
    return patch
