"""What a rollback from `current` to `target` would add, change and remove."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from helm_safe.core.annotations import KEEP_POLICY
from helm_safe.core.objects import Object, ObjectRef, annotations_of
from helm_safe.model.revisions import Revision


@dataclass(frozen=True)
class Change:
    """The two revisions of a rollback; `current` is being left, `target` is being restored."""

    current: Revision
    target: Revision

    @cached_property
    def added(self) -> tuple[ObjectRef, ...]:
        return tuple(ref for ref in self.target.objects if ref not in self.current.objects)

    @cached_property
    def removed(self) -> tuple[ObjectRef, ...]:
        """Objects that native rollback deletes; those whose manifest says keep are left out."""
        return tuple(
            ref for ref, obj in self.current.objects.items() if ref not in self.target.objects and not kept(obj)
        )

    @cached_property
    def changed(self) -> tuple[ObjectRef, ...]:
        return tuple(
            ref
            for ref, obj in self.target.objects.items()
            if ref in self.current.objects and self.current.objects[ref] != obj
        )


def kept(obj: Object) -> bool:
    return annotations_of(obj).get(KEEP_POLICY) == "keep"
