"""Server-side apply hygiene: no field manager of ours stays on a user's object."""

from __future__ import annotations

from helm_safe.core.annotations import MANAGED_BY
from helm_safe.core.objects import ObjectRef, dig, sequence
from helm_safe.model.errors import Conflict
from helm_safe.model.snapshot import Resource
from helm_safe.rollback.context import Run

TRIES = 10  # controllers write status beside us


def forget_us(run: Run, resource: Resource, ref: ObjectRef) -> None:
    """Drop our managedFields entries, so that the next server-side apply of Helm meets no conflict with us."""
    for _ in range(TRIES):
        live = run.world.cluster.get(resource, ref.namespace, ref.name)
        fields = sequence(live or {}, "metadata", "managedFields")
        kept = [entry for entry in fields if entry.get("manager") != MANAGED_BY]
        if live is None or len(kept) == len(fields):
            return
        operations = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": dig(live, "metadata", "resourceVersion")},
            {"op": "replace", "path": "/metadata/managedFields", "value": kept or [{}]},
        ]
        try:
            run.world.cluster.patch(resource, ref, operations, kind="json")
            return
        except Conflict:
            continue  # another writer between read and write only means reading again
    raise Conflict(f"{ref} kept changing while our field manager was removed from it")
