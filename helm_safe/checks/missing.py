"""Which of the things that a pod refers to will not be there when it starts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from helm_safe.checks.facts import absent
from helm_safe.checks.secrets import keys_of
from helm_safe.core.objects import Object, ObjectRef
from helm_safe.core.references import Reference, Role, references_of
from helm_safe.model.snapshot import Snapshot

CLUSTER_WIDE = ("PriorityClass",)
# Every namespace has it; it is made by a controller.
_ALWAYS_THERE = {("ServiceAccount", "default")}


class Missing(NamedTuple):
    """A reference that cannot be met; `gone` says why in words that follow its name."""

    ref: ObjectRef
    used: Reference
    gone: str

    @property
    def name(self) -> str:
        """Object and key, e.g. "key token of Secret/api-keys"."""
        return f"key {self.used.key} of {self.ref}" if self.used.key else str(self.ref)


def missing_references(
    snapshot: Snapshot,
    template: Object,
    namespace: str,
    made: Mapping[ObjectRef, Object],
    lost: Collection[ObjectRef],
) -> list[Missing]:
    """What a pod template needs and will not find.

    made: objects that the rollback will have created by then. lost: live objects that it will have deleted. Optional
    references, and those of kinds or namespaces that were not read, are no finding.
    """
    found = []
    for used in references_of(template):
        ref = ObjectRef(used.group, used.kind, "" if used.kind in CLUSTER_WIDE else namespace, used.name)
        gone = "" if used.optional else _gone(snapshot, ref, used, made, lost)
        if gone:
            found.append(Missing(ref, used, gone))
    return found


def _gone(
    snapshot: Snapshot,
    ref: ObjectRef,
    used: Reference,
    made: Mapping[ObjectRef, Object],
    lost: Collection[ObjectRef],
) -> str:
    """Why it will not be there; "" where it will, or where nobody can tell."""
    if ref in made:
        return _without_key(used, made[ref], snapshot.live_for(ref))
    if (ref.kind, ref.name) in _ALWAYS_THERE:
        return ""
    live = snapshot.live_for(ref)
    if live is None:
        return "does not exist" if absent(snapshot, ref) else ""
    if ref in lost:
        return "is deleted by the rollback itself"
    return _without_key(used, live, None)


def _without_key(used: Reference, obj: Object, live: Object | None) -> str:
    """Keys that somebody added live survive a rollback, so both count."""
    if not used.key or used.role not in (Role.ENV, Role.VOLUME):
        return ""
    there = keys_of(obj) | (keys_of(live) if live is not None else set())
    return "" if used.key in there else "does not exist"
