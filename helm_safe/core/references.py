"""What a pod template refers to: ConfigMaps, Secrets, keys, claims, accounts, pull secrets and priority classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from enum import Enum
from typing import Any, NamedTuple

from helm_safe.core.objects import Object, dig, mapping, sequence
from helm_safe.core.workloads import all_containers, container_name

# volume source -> (path to the Secret's name)
_VOLUME_SECRETS: tuple[tuple[str, ...], ...] = (
    ("azureFile", "secretName"),
    ("cephfs", "secretRef", "name"),
    ("cinder", "secretRef", "name"),
    ("csi", "nodePublishSecretRef", "name"),
    ("flexVolume", "secretRef", "name"),
    ("iscsi", "secretRef", "name"),
    ("rbd", "secretRef", "name"),
    ("scaleIO", "secretRef", "name"),
    ("storageos", "secretRef", "name"),
)


class Role(str, Enum):
    """How a pod uses what it refers to."""

    ENV = "env"
    ENV_FROM = "envFrom"
    VOLUME = "volume"
    CLAIM = "claim"
    PULL = "imagePullSecrets"
    ACCOUNT = "serviceAccountName"
    PRIORITY = "priorityClassName"


class Reference(NamedTuple):
    """One reference of a pod.

    key: the key inside a ConfigMap or Secret, empty for the whole object. optional: the pod starts without it.
    where: plain words for people, e.g. "env API_KEY of container app".
    """

    group: str
    kind: str
    name: str
    key: str
    optional: bool
    role: Role
    where: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def references_of(template: Mapping[str, Any]) -> Iterator[Reference]:
    """Every reference of a pod template (an object with `spec`), in the order of the template."""
    spec = mapping(template, "spec")
    for container in all_containers(template):
        yield from _of_container(container)
    for volume in sequence(spec, "volumes"):
        yield from _of_volume(volume)
    yield from _of_spec(spec)


def config_references(template: Mapping[str, Any]) -> Iterator[Reference]:
    """Only the ConfigMaps and Secrets whose content reaches the containers."""
    return (ref for ref in references_of(template) if ref.role in (Role.ENV, Role.ENV_FROM, Role.VOLUME))


def renamed(template: Mapping[str, Any], names: Mapping[tuple[str, str], str]) -> Object:
    """A copy of a pod template that refers to other objects. names: (kind, name) -> the new name."""
    copy = deepcopy(dict(template))
    for kind, holder, field in _places(copy):
        name = dig(holder, field)
        if name and (kind, str(name)) in names:
            holder[field] = names[kind, str(name)]
    return copy


def _places(template: Mapping[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Where a template names a ConfigMap, a Secret or its account: the kind, the mapping and the field in it."""
    spec = mapping(template, "spec")
    for container in all_containers(template):
        for variable in sequence(container, "env"):
            yield "ConfigMap", dig(variable, "valueFrom", "configMapKeyRef"), "name"
            yield "Secret", dig(variable, "valueFrom", "secretKeyRef"), "name"
        for source in sequence(container, "envFrom"):
            yield "ConfigMap", dig(source, "configMapRef"), "name"
            yield "Secret", dig(source, "secretRef"), "name"
    for volume in sequence(spec, "volumes"):
        yield from _places_of_volume(volume)
    for secret in sequence(spec, "imagePullSecrets"):
        yield "Secret", secret, "name"
    for field in ("serviceAccountName", "serviceAccount"):
        yield "ServiceAccount", spec, field


def _places_of_volume(volume: Any) -> Iterator[tuple[str, Any, str]]:
    yield "ConfigMap", dig(volume, "configMap"), "name"
    yield "Secret", dig(volume, "secret"), "secretName"
    for source in sequence(volume, "projected", "sources"):
        yield "ConfigMap", dig(source, "configMap"), "name"
        yield "Secret", dig(source, "secret"), "name"
    for *path, field in _VOLUME_SECRETS:
        yield "Secret", dig(volume, *path), field


def _of_container(container: Mapping[str, Any]) -> Iterator[Reference]:
    owner = f"container {container_name(container)}"
    for variable in sequence(container, "env"):
        where = f"env {dig(variable, 'name')} of {owner}"
        yield from _pick("ConfigMap", dig(variable, "valueFrom", "configMapKeyRef"), Role.ENV, where)
        yield from _pick("Secret", dig(variable, "valueFrom", "secretKeyRef"), Role.ENV, where)
    for source in sequence(container, "envFrom"):
        yield from _pick("ConfigMap", dig(source, "configMapRef"), Role.ENV_FROM, f"envFrom of {owner}")
        yield from _pick("Secret", dig(source, "secretRef"), Role.ENV_FROM, f"envFrom of {owner}")


def _of_volume(volume: Any) -> Iterator[Reference]:
    where = f"volume {dig(volume, 'name')}"
    yield from _mounted("ConfigMap", dig(volume, "configMap"), "name", where)
    yield from _mounted("Secret", dig(volume, "secret"), "secretName", where)
    for source in sequence(volume, "projected", "sources"):
        yield from _mounted("ConfigMap", dig(source, "configMap"), "name", where)
        yield from _mounted("Secret", dig(source, "secret"), "name", where)
    yield from _named("", "PersistentVolumeClaim", dig(volume, "persistentVolumeClaim", "claimName"), Role.CLAIM, where)
    for path in _VOLUME_SECRETS:
        yield from _named("", "Secret", dig(volume, *path), Role.VOLUME, where)


def _of_spec(spec: Mapping[str, Any]) -> Iterator[Reference]:
    for secret in sequence(spec, "imagePullSecrets"):
        yield from _named("", "Secret", dig(secret, "name"), Role.PULL, "imagePullSecrets")
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    yield from _named("", "ServiceAccount", account, Role.ACCOUNT, "serviceAccountName")
    priority = spec.get("priorityClassName")
    yield from _named("scheduling.k8s.io", "PriorityClass", priority, Role.PRIORITY, "priorityClassName")


def _pick(kind: str, source: Any, role: Role, where: str) -> Iterator[Reference]:
    """A `name`, `key`, `optional` selector."""
    name = dig(source, "name")
    if name:
        optional = dig(source, "optional") is True
        yield Reference("", kind, str(name), str(dig(source, "key") or ""), optional, role, where)


def _mounted(kind: str, source: Any, name_field: str, where: str) -> Iterator[Reference]:
    """A volume source: the whole object, or one reference for each listed item."""
    name, optional = dig(source, name_field), dig(source, "optional") is True
    if not name:
        return
    keys = [dig(item, "key") for item in sequence(source, "items")]
    for key in keys or [""]:
        yield Reference("", kind, str(name), str(key or ""), optional, Role.VOLUME, where)


def _named(group: str, kind: str, name: Any, role: Role, where: str) -> Iterator[Reference]:
    if name:
        yield Reference(group, kind, str(name), "", optional=False, role=role, where=where)
