"""The workloads that a run would double, and what their pods run, mount and read from their environment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from helm_safe.checks.facts import Workload
from helm_safe.core.objects import Object, ObjectRef, dig, mapping, sequence
from helm_safe.core.references import Role, references_of
from helm_safe.core.workloads import all_containers, container_name, containers, pod_template, workload_kind
from helm_safe.model.own import Owner
from helm_safe.model.revisions import Revision
from helm_safe.model.snapshot import Snapshot
from helm_safe.model.staging import Staged, reads_changed
from helm_safe.model.standby import Standbys

Objects = Mapping[ObjectRef, Object]

# Longest text that is searched for signs: patterns meet a bounded stretch only.
_LONGEST = 4096
_OFF = re.compile(r"(?:false|0|no|off|none|disabled|never|)", re.IGNORECASE)


def staged(snapshot: Snapshot) -> tuple[Staged, ...]:
    """The workloads of which a standby would be made; none where the run makes no standby."""
    return snapshot.staging.staged if snapshot.settings.strategy in ("auto", "standby", "replicas") else ()


def doubled(snapshot: Snapshot) -> bool:
    """Whether the run makes a standby."""
    return bool(staged(snapshot))


def doubled_workloads(snapshot: Snapshot) -> Iterator[Workload]:
    """The target's workloads of which a standby would be made."""
    for each in staged(snapshot):
        obj, kind = snapshot.change.target.objects.get(each.workload), workload_kind("apps", each.workload.kind)
        if obj is not None and kind is not None:
            yield Workload(each.workload, obj, kind)


def standbys(snapshot: Snapshot) -> Standbys:
    """What would be made, under the name of no particular run."""
    return Standbys(snapshot.staging, snapshot.change, snapshot.live, Owner("planned", snapshot.history.release.name))


class Setting(NamedTuple):
    """An environment variable. value: None where only its name is known, as with Secrets."""

    name: str
    value: str | None
    source: str

    @property
    def off(self) -> bool:
        """Whether its value says no."""
        return self.value is not None and bool(_OFF.fullmatch(self.value.strip()))


def command_of(container: Object) -> str:
    """Command and arguments in one line."""
    words = (*sequence(container, "command"), *sequence(container, "args"))
    return " ".join(str(word) for word in words)[:_LONGEST]


def image_of(container: Object) -> str:
    return str(container.get("image") or "")[:_LONGEST]


def environment(
    snapshot: Snapshot, workload: Workload, container: Object, revision: Revision | None = None
) -> list[Setting]:
    """The variables of a container, those of ConfigMaps and Secrets included, as its pods read them in the target.

    revision: another one whose ConfigMaps count.
    """
    found = []
    made = (revision or snapshot.change.target).objects
    for source in sequence(container, "envFrom"):
        prefix = str(dig(source, "prefix") or "")
        for kind, field in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            name = dig(source, field, "name")
            if name:
                values = _values(snapshot, made, ObjectRef("", kind, workload.ref.namespace, str(name)))
                found += [Setting(f"{prefix}{key}", value, f"{kind}/{name}") for key, value in values.items()]
    for variable in sequence(container, "env"):
        if isinstance(variable, dict) and variable.get("name"):
            found.append(_setting(snapshot, made, workload, variable, container_name(container)))
    return found


def texts(snapshot: Snapshot, workload: Workload, revision: Revision | None = None) -> Iterator[tuple[str, str]]:
    """(where, text) of the configuration files that the pods mount from ConfigMaps."""
    seen = set()
    for used in references_of(workload.template):
        ref = ObjectRef("", used.kind, workload.ref.namespace, used.name)
        if used.kind == "ConfigMap" and used.role is Role.VOLUME and ref not in seen:
            seen.add(ref)
            for key, value in _values(snapshot, (revision or snapshot.change.target).objects, ref).items():
                yield f"{key} of {ref}", (value or "")[: 16 * _LONGEST]


def unchanged(snapshot: Snapshot, workload: Workload, container: Object) -> bool:
    """Whether the current pods run the very same container with the same configuration already."""
    now = pod_template(snapshot.change.current.objects.get(workload.ref, {}))
    return container in all_containers(now) and not reads_changed(snapshot.change, workload.ref)


def mounts_of(template: Object, volume: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """(container, mount) of a volume, block devices included."""
    for container in (*all_containers(template),):
        for mount in (*sequence(container, "volumeMounts"), *sequence(container, "volumeDevices")):
            if isinstance(mount, dict) and mount.get("name") == volume:
                yield container_name(container), mount


def declared_ports(template: Object) -> set[str]:
    """Names and numbers of the ports that the main containers declare."""
    found = set()
    for container in containers(template):
        for port in sequence(container, "ports"):
            found |= {str(dig(port, field)) for field in ("name", "containerPort") if dig(port, field) is not None}
    return found


def _setting(snapshot: Snapshot, made: Objects, workload: Workload, variable: Object, owner: str) -> Setting:
    name, value = str(variable["name"]), variable.get("value")
    if value is not None:
        return Setting(name, str(value), f"container {owner}")
    source = dig(variable, "valueFrom", "configMapKeyRef")
    if dig(source, "name"):
        ref = ObjectRef("", "ConfigMap", workload.ref.namespace, str(dig(source, "name")))
        return Setting(name, _values(snapshot, made, ref).get(str(dig(source, "key"))), str(ref))
    return Setting(name, None, f"container {owner}")


def _values(snapshot: Snapshot, made: Objects, ref: ObjectRef) -> dict[str, str | None]:
    """Keys and values as pods read them, given what a revision makes; values of Secrets are not looked at."""
    obj = made.get(ref) or snapshot.live_for(ref) or {}
    if ref.kind == "Secret":
        return {str(key): None for field in ("data", "stringData") for key in mapping(obj, field)}
    return {str(key): str(value) for key, value in mapping(obj, "data").items()}
