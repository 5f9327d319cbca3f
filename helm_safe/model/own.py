"""Objects of our own: made for one run, told from all others by their labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from helm_safe.core.annotations import MANAGED_BY, MANAGED_BY_LABEL, RELEASE_LABEL, ROLE_LABEL, RUN_LABEL
from helm_safe.core.objects import Object, labels_of

ROLE = "standby"


class CannotStandBy(ValueError):
    """The workload cannot be doubled without the live objects touching the copy; the message says why."""


class Owner(NamedTuple):
    """The run for which objects are made."""

    run_id: str
    release: str

    @property
    def marks(self) -> dict[str, str]:
        """The labels that pods wear beside those of their template; who manages them stays as the chart says."""
        return {RELEASE_LABEL: self.release, RUN_LABEL: self.run_id, ROLE_LABEL: ROLE}

    def make(self, api_version: str, kind: str, namespace: str, name: str, **body: Any) -> Object:
        """An object of this run."""
        metadata = {"name": name, "namespace": namespace}
        return self.mark({"apiVersion": api_version, "kind": kind, "metadata": metadata, **body})

    def mark(self, obj: Object) -> Object:
        """The same object with the labels of this run."""
        labels = {MANAGED_BY_LABEL: MANAGED_BY, **self.marks}
        return {**obj, "metadata": {**obj["metadata"], "labels": labels}}


def ours(obj: Mapping[str, Any]) -> bool:
    """Whether a run of helm-safe made the object."""
    return labels_of(obj).get(MANAGED_BY_LABEL) == MANAGED_BY
