"""Fields that cannot be changed in place: Kubernetes' rules, for when no dry run tells."""

from __future__ import annotations

import re
from typing import Any

from helm_safe.core.differences import same
from helm_safe.core.objects import Object, ObjectRef, dig, sequence
from helm_safe.model.snapshot import DryRun, Snapshot

_REFUSAL = re.compile(
    r"field is immutable|may not change once set|updates to \w+ (?:spec )?.*forbidden|is immutable after creation"
    r"|cannot change roleref|must appear in spec\.versions|pod updates may not change fields",
    re.IGNORECASE | re.DOTALL,
)
_FIELDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("apps", "Deployment"): ("spec.selector",),
    ("apps", "DaemonSet"): ("spec.selector",),
    ("apps", "ReplicaSet"): ("spec.selector",),
    ("batch", "Job"): ("spec.selector", "spec.template", "spec.completionMode", "spec.completions"),
    ("", "Service"): ("spec.clusterIP", "spec.loadBalancerClass"),
    ("", "PersistentVolumeClaim"): ("spec.accessModes", "spec.storageClassName", "spec.volumeName", "spec.volumeMode"),
    ("", "Secret"): ("type",),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("roleRef",),
    ("storage.k8s.io", "StorageClass"): ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"),
    ("scheduling.k8s.io", "PriorityClass"): ("value", "preemptionPolicy"),
    ("networking.k8s.io", "IngressClass"): ("spec.controller",),
    ("node.k8s.io", "RuntimeClass"): ("handler",),
}
_SET_FIELDS = {"spec.podManagementPolicy": "OrderedReady", "spec.serviceName": ""}


def refuses_change(answer: DryRun) -> bool:
    """Whether the API server's answer says that a field cannot be changed."""
    return answer.status in (400, 403, 422) and bool(_REFUSAL.search(answer.message))


def fixed_fields(before: Object, after: Object, ref: ObjectRef) -> list[str]:
    """The immutable fields that differ between two manifests of an object."""
    fields = list(_FIELDS.get((ref.group, ref.kind), ()))
    if ref.kind in ("ConfigMap", "Secret") and not ref.group and before.get("immutable") is True:
        fields += ["data", "stringData", "binaryData"]
    return [field for field in fields if _at(before, field) != _at(after, field)]


def statefulset_fields(before: Object, after: Object) -> list[str]:
    """The fields in which two manifests of a StatefulSet differ and which the API server refuses to change."""
    found = [
        field
        for field, default in _SET_FIELDS.items()
        if (_at(before, field) or default) != (_at(after, field) or default)
    ]
    if _at(before, "spec.selector") != _at(after, "spec.selector"):
        found.append("spec.selector")
    if _claims(before) != _claims(after):
        found.append("spec.volumeClaimTemplates")
    return found


def recreated(snapshot: Snapshot, ref: ObjectRef) -> bool:
    """Whether the user allowed the object to be deleted and made anew."""
    return str(ref) in snapshot.settings.recreate


def _claims(obj: Object) -> list[tuple[Any, ...]]:
    """What counts of each claim template, so that the server's defaults do not."""
    templates = sequence(obj, "spec", "volumeClaimTemplates")
    return [
        (
            dig(each, "metadata", "name"),
            dig(each, "spec", "accessModes"),
            dig(each, "spec", "storageClassName"),
            _Size(dig(each, "spec", "resources", "requests", "storage")),
        )
        for each in templates
    ]


class _Size:
    """A quantity that equals its other spellings."""

    __slots__ = ("value",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Size) and same(self.value, other.value)


def _at(obj: Object, path: str) -> Any:
    return dig(obj, *path.split("."))
