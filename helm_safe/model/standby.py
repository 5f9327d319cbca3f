"""The standby: the target revision's pods beside the current ones, as objects of our own.

Only what must differ does: names, the labels by which live objects would steer the pods, and references to copies of
configuration that the cluster does not hold as the target wants it. Everything here is pure and gives the same answer
for the same release, so that a run that was resumed makes the same objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cached_property
from typing import Any, NamedTuple

from helm_safe.core.annotations import STANDBY_LABEL
from helm_safe.core.objects import Object, ObjectRef, dig, labels_of, mapping, ref_of, sequence
from helm_safe.core.references import renamed
from helm_safe.core.workloads import pod_template, template_labels
from helm_safe.model.changes import Change
from helm_safe.model.own import CannotStandBy, Owner
from helm_safe.model.routes import Around
from helm_safe.model.routes import service_of as served_by
from helm_safe.model.staging import Door, Staged, Staging, short
from helm_safe.model.standby_copies import Copies, Names, copies_for, kept_annotations
from helm_safe.model.standby_guards import (
    Lost,
    copy_of,
    guards_of,
    lost_guards,
    lost_peers,
    matcher,
    peers_matching,
)
from helm_safe.model.standby_labels import StandbyLabels, labels_of_standby
from helm_safe.model.subsets import DESTINATION_RULE, policy_of, rules_of

_SERVICE_FIELDS = (
    "sessionAffinity",
    "sessionAffinityConfig",
    "publishNotReadyAddresses",
    "internalTrafficPolicy",
    "trafficDistribution",
    "ipFamilies",
    "ipFamilyPolicy",
)


class Standby(NamedTuple):
    """One standby. lost: guards that its pods need copies of; peers: policies in which they would be strangers."""

    staged: Staged
    labels: StandbyLabels
    lost: tuple[Lost, ...]
    peers: tuple[ObjectRef, ...]


class Standbys:
    """All that the standbys of one run consist of.

    Raises CannotStandBy, from each of its members, where a workload cannot be doubled.
    """

    def __init__(self, staging: Staging, change: Change, live: Mapping[ObjectRef, Object], owner: Owner) -> None:
        self.staging, self.change, self.live, self.owner = staging, change, live, owner

    @cached_property
    def all(self) -> tuple[Standby, ...]:
        seen: set[str] = set()
        for door in self.staging.doors():
            if door.service in seen:
                raise CannotStandBy(
                    f"Service/{door.service} serves the pods of several workloads that would be doubled"
                )
            seen.add(door.service)
        return tuple(self.of(staged) for staged in self.staging.staged)

    @cached_property
    def copies(self) -> Copies:
        workloads = tuple(each.workload for each in self.staging.staged)
        return copies_for(workloads, self.change, self.live, self.owner)

    def of(self, staged: Staged) -> Standby:
        """The standby of one workload: its labels, and what its pods would lose by them."""
        target, namespace = self.change.target.objects, staged.workload.namespace
        guards = guards_of(target, self.live, namespace)
        peers = list(peers_matching(target, self.live, namespace))
        keep = [*(matches for _, matches in peers), *(matcher(each) for each in guards if not each.guard.of_services)]
        labels = labels_of_standby(staged, self.change, self.live, self.owner, keep)
        before = template_labels(target[staged.workload])
        services = [labels_of(self._service(staged, door)) for door in staged.doors]
        return Standby(
            staged,
            labels,
            tuple(lost_guards(guards, before, labels.worn, services)),
            lost_peers(peers, before, labels.worn),
        )

    def objects(self) -> list[Object]:
        """Everything to create, in this order: configuration, accounts, guards, Services, Deployments, carriers.

        Raises CannotStandBy also where two objects would have the same name.
        """
        made = [*self.copies.config.values(), *self.copies.accounts.values(), *self._guards()]
        for each in self.all:
            made += [
                service_of(self._service(each.staged, door), self._restored(each.staged, door), each, door, self.owner)
                for door in each.staged.doors
            ]
        for each in self.all:
            made.append(
                deployment_of(self.change.target.objects[each.staged.workload], each, self._names(), self.owner)
            )
        made += [rule for each in self.all for door in each.staged.doors for rule in self._rules(each.staged, door)]
        made += [self.owner.mark(carrier) for _, carrier in self.staging.carriers]
        return _distinct(made)

    def _names(self) -> Names:
        return self.copies.names

    def _service(self, staged: Staged, door: Door) -> Object:
        return self.live.get(ObjectRef("", "Service", staged.workload.namespace, served_by(door.service)), {})

    def _restored(self, staged: Staged, door: Door) -> Object:
        ref = ObjectRef("", "Service", staged.workload.namespace, served_by(door.service))
        return self.change.target.objects.get(ref, {})

    def _rules(self, staged: Staged, door: Door) -> Iterator[Object]:
        """Istio's way of connecting to a live Service holds for the standby's too: mutual TLS, limits, balancing."""
        namespace = staged.workload.namespace
        for rule in rules_of(Around(self.live), namespace, served_by(door.service)):
            policy = policy_of(rule, door.service)
            if policy:
                spec = {"host": door.standby, "trafficPolicy": deepcopy(policy)}
                kind = DESTINATION_RULE[1]
                yield self.owner.make(str(rule["apiVersion"]), kind, namespace, door.standby, spec=spec)
                return

    def _guards(self) -> Iterator[Object]:
        """Copies of lost guards; one that several workloads lose is copied for each, under the workload's name too."""
        losses = [(lost, each) for each in self.all for lost in each.lost if lost.guard.copied]
        for lost, each in sorted(losses, key=lambda pair: (pair[0].ref, pair[1].staged.workload)):
            alone = sum(other.ref == lost.ref for other, _ in losses) == 1
            name = lost.ref.name if alone else f"{lost.ref.name}-{each.staged.workload.name}"
            yield copy_of(lost, short(name), each.staged.standby, self.owner)


def standby_objects(
    staging: Staging, change: Change, live: Mapping[ObjectRef, Object], run_id: str, release: str
) -> list[Object]:
    """The standbys' objects in the order in which they are created. Raises CannotStandBy."""
    return Standbys(staging, change, live, Owner(run_id, release)).objects()


def joined_labels(
    staging: Staging, change: Change, live: Mapping[ObjectRef, Object], run_id: str, release: str
) -> dict[str, StandbyLabels]:
    """Name of the standby's Deployment -> what its pods wear, and wear again while live Services select them too."""
    standbys = Standbys(staging, change, live, Owner(run_id, release))
    return {each.staged.standby: each.labels for each in standbys.all}


def deployment_of(workload: Object, standby: Standby, names: Names, owner: Owner) -> Object:
    """The standby's Deployment: the target's pod template under our labels.

    It selects by our label alone, so that it keeps pods that wear the live Service's labels again.
    """
    template = renamed(pod_template(workload), names)
    template["metadata"] = {**mapping(template, "metadata"), "labels": dict(standby.labels.worn)}
    spec: dict[str, Any] = {
        "replicas": standby.staged.replicas,
        "selector": {"matchLabels": {STANDBY_LABEL: standby.staged.standby}},
        "template": template,
    }
    for field in ("minReadySeconds", "progressDeadlineSeconds"):
        if dig(workload, "spec", field) is not None:
            spec[field] = dig(workload, "spec", field)
    return owner.make("apps/v1", "Deployment", standby.staged.workload.namespace, standby.staged.standby, spec=spec)


def service_of(service: Object, restored: Object, standby: Standby, door: Door, owner: Owner) -> Object:
    """The standby's Service: the live one's ports, aimed at the target's pods, selecting them by our label.

    restored: the Service as the target's manifest has it, empty where it does not.
    """
    spec: dict[str, Any] = {
        "type": "ClusterIP",
        "ports": [_port(port, restored) for port in sequence(service, "spec", "ports") if isinstance(port, dict)],
        "selector": {STANDBY_LABEL: standby.staged.standby},
    }
    for field in _SERVICE_FIELDS:
        if dig(service, "spec", field) is not None:
            spec[field] = deepcopy(service["spec"][field])
    if dig(service, "spec", "clusterIP") == "None":
        spec["clusterIP"] = "None"
    made = owner.make("v1", "Service", standby.staged.workload.namespace, door.standby, spec=spec)
    # Copies of monitors find it by this.
    made["metadata"]["labels"][STANDBY_LABEL] = standby.staged.standby
    annotations = kept_annotations(service)
    if annotations:
        made["metadata"]["annotations"] = annotations
    return made


def _port(port: Mapping[str, Any], restored: Object) -> dict[str, Any]:
    """A port of the live Service; where it ends inside the pod is the target's to say."""
    made = {key: value for key, value in port.items() if key != "nodePort"}
    for other in sequence(restored, "spec", "ports"):
        same = dig(other, "port") == port.get("port") and _protocol(other) == _protocol(port)
        if same:
            made["targetPort"] = dig(other, "targetPort") or port.get("port")
    return made


def _protocol(port: Any) -> str:
    return str(dig(port, "protocol") or "TCP")


def _distinct(made: list[Object]) -> list[Object]:
    """The same objects. Raises CannotStandBy where two share a name, as long names cut short may."""
    seen = set()
    for obj in made:
        ref = ref_of(obj)
        if ref in seen:
            raise CannotStandBy(f"two objects of the standby would both be called {ref}: their names are too long")
        seen.add(ref)
    return made
