"""Reading pods: containers, ports, probes, hooks. Pure; everything comes from outside and may have any shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from helm_safe.core.objects import Object, annotations_of, dig, mapping, name_of, namespace_of, sequence
from helm_safe.core.workloads import containers, init_containers, sidecar

PREFIX = "sandbox.helm-safe.dev/"
DEFAULT_PORT = 8080
DEFAULT_GRACE = 30


@dataclass(frozen=True, slots=True)
class Port:
    """A declared port of a container."""

    name: str
    number: int

    @property
    def grpc(self) -> bool:
        return self.name.startswith("grpc")


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One container of a pod.

    init: an init container; sidecar: an init container that stays (restartPolicy Always); main: an ordinary one.
    restart: the restart policy that holds for it (Always, OnFailure, Never).
    """

    name: str
    image: str
    ports: tuple[Port, ...]
    restart: str
    init: bool
    sidecar: bool
    body: Object

    @property
    def stays(self) -> bool:
        """Whether it runs beside the others and is probed (main containers and sidecars)."""
        return self.sidecar or not self.init

    def port(self, wanted: object) -> int | None:
        """The number of a port given by number or by name; None where there is no such port."""
        if isinstance(wanted, int) and not isinstance(wanted, bool):
            return wanted if 0 < wanted < 65536 else None
        named = next((each.number for each in self.ports if each.name and each.name == wanted), None)
        if named is None and isinstance(wanted, str) and wanted.isascii() and wanted.isdigit():
            return self.port(int(wanted))
        return named


def uid_of(pod: Mapping[str, Any]) -> str:
    return str(dig(pod, "metadata", "uid") or "")


def key_of(pod: Mapping[str, Any]) -> str:
    return f"{namespace_of(pod)}/{name_of(pod)}"


def restart_policy(pod: Mapping[str, Any]) -> str:
    return str(dig(pod, "spec", "restartPolicy") or "Always")


def container_specs(pod: Mapping[str, Any]) -> list[ContainerSpec]:
    """Every container, init containers first, in the order in which they start."""
    found = [_container(pod, body, init=True) for body in init_containers(pod)]
    found += [_container(pod, body, init=False) for body in containers(pod)]
    if found and not any(each.ports for each in found):
        first = next((index for index, each in enumerate(found) if not each.init), 0)
        found[first] = _with_default_port(found[first])
    return found


def _container(pod: Mapping[str, Any], body: Object, *, init: bool) -> ContainerSpec:
    stays = init and sidecar(body)
    return ContainerSpec(
        name=str(body.get("name") or ""),
        image=str(body.get("image") or ""),
        ports=tuple(_ports(body)),
        restart="Always" if stays else restart_policy(pod),
        init=init,
        sidecar=stays,
        body=body,
    )


def _ports(body: Object) -> list[Port]:
    declared = [each for each in sequence(body, "ports") if (dig(each, "protocol") or "TCP") == "TCP"]
    numbers = [(str(dig(each, "name") or ""), dig(each, "containerPort")) for each in declared]
    return [Port(name, number) for name, number in numbers if isinstance(number, int)]


def _with_default_port(spec: ContainerSpec) -> ContainerSpec:
    port = (Port("", DEFAULT_PORT),)
    return ContainerSpec(spec.name, spec.image, port, spec.restart, spec.init, spec.sidecar, spec.body)


def parameters(pod: Mapping[str, Any], spec: ContainerSpec) -> dict[str, str]:
    """The sandbox's annotations of a pod without their prefix; `NAME.CONTAINER` counts for that container alone.

    Init containers hear only what is said to them by name: a pod that serves slowly still initializes.
    """
    own, common = {}, {}
    for key, value in annotations_of(pod).items():
        if not key.startswith(PREFIX):
            continue
        name, _, owner = key.removeprefix(PREFIX).partition(".")
        if owner == spec.name:
            own[name] = str(value)
        elif not owner:
            common[name] = str(value)
    return {**common, **own} if spec.stays else own


def deleted(pod: Mapping[str, Any]) -> bool:
    return bool(dig(pod, "metadata", "deletionTimestamp"))


def finished(pod: Mapping[str, Any]) -> bool:
    return dig(pod, "status", "phase") in ("Succeeded", "Failed")


def grace_seconds(pod: Mapping[str, Any]) -> float:
    """Seconds between the request to end and the kill: of the deletion, else of the specification."""
    for value in (
        dig(pod, "metadata", "deletionGracePeriodSeconds"),
        dig(pod, "spec", "terminationGracePeriodSeconds"),
    ):
        if isinstance(value, int) and not isinstance(value, bool):
            return float(max(0, value))
    return float(DEFAULT_GRACE)


def pre_stop(spec: ContainerSpec) -> Object:
    return mapping(spec.body, "lifecycle", "preStop")


def known_status(pod: Mapping[str, Any], container: str) -> Object:
    """The container's status as the API has it: what an agent that starts again goes on from."""
    listed = sequence(pod, "status", "containerStatuses") + sequence(pod, "status", "initContainerStatuses")
    return next((each for each in listed if dig(each, "name") == container), {})
