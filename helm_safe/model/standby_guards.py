"""What protects or observes pods by their labels, and what of it the standby's pods would lose."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from functools import partial
from typing import Any, NamedTuple

from helm_safe.core.annotations import STANDBY_LABEL
from helm_safe.core.objects import (
    Object,
    ObjectRef,
    dig,
    label_selector_matches,
    labels_of,
    mapping,
    selects,
    sequence,
)
from helm_safe.model.own import Owner, ours
from helm_safe.model.standby_labels import Labels, Matches


class Guard(NamedTuple):
    """One row: a kind that selects pods in its own namespace.

    path: of its LabelSelector or plain map. plain: it is a plain map. copied: whether a copy with another selector
    does the same for the standby. labelled: a copy keeps the original's labels, by which an operator finds it.
    of_services: it selects Services, not pods.
    """

    path: tuple[str, ...]
    plain: bool = False
    copied: bool = True
    labelled: bool = False
    of_services: bool = False


_SELECTOR, _POD_SELECTOR = ("spec", "selector"), ("spec", "podSelector")
NETWORK_POLICY = ("networking.k8s.io", "NetworkPolicy")
CILIUM_POLICY = ("cilium.io", "CiliumNetworkPolicy")

GUARDS: dict[tuple[str, str], Guard] = {
    NETWORK_POLICY: Guard(_POD_SELECTOR),
    CILIUM_POLICY: Guard(("spec", "endpointSelector")),
    ("security.istio.io", "AuthorizationPolicy"): Guard(_SELECTOR),
    ("security.istio.io", "PeerAuthentication"): Guard(_SELECTOR),
    ("security.istio.io", "RequestAuthentication"): Guard(_SELECTOR),
    ("networking.istio.io", "Sidecar"): Guard(("spec", "workloadSelector", "labels"), plain=True),
    ("networking.istio.io", "EnvoyFilter"): Guard(("spec", "workloadSelector", "labels"), plain=True),
    ("networking.istio.io", "ProxyConfig"): Guard(_SELECTOR),
    ("extensions.istio.io", "WasmPlugin"): Guard(_SELECTOR),
    ("telemetry.istio.io", "Telemetry"): Guard(_SELECTOR),
    # Linkerd's authorizations name their Server: a copy would be one that nobody may talk to.
    ("policy.linkerd.io", "Server"): Guard(_POD_SELECTOR, copied=False),
    ("vpcresources.k8s.aws", "SecurityGroupPolicy"): Guard(_POD_SELECTOR),
    ("monitoring.coreos.com", "PodMonitor"): Guard(_SELECTOR, labelled=True),
    ("monitoring.coreos.com", "ServiceMonitor"): Guard(_SELECTOR, labelled=True, of_services=True),
    ("operator.victoriametrics.com", "VMPodScrape"): Guard(_SELECTOR, labelled=True),
    ("operator.victoriametrics.com", "VMServiceScrape"): Guard(_SELECTOR, labelled=True, of_services=True),
    ("monitoring.googleapis.com", "PodMonitoring"): Guard(_SELECTOR),
}

# Where a policy names the pods at the other end of a connection: fields of `spec`, then the selector in each peer.
_PEERS: dict[tuple[str, str], tuple[tuple[str, str, tuple[str, ...]], ...]] = {
    NETWORK_POLICY: (("ingress", "from", ("podSelector",)), ("egress", "to", ("podSelector",))),
    CILIUM_POLICY: (
        ("ingress", "fromEndpoints", ()),
        ("egress", "toEndpoints", ()),
        ("ingressDeny", "fromEndpoints", ()),
        ("egressDeny", "toEndpoints", ()),
    ),
}


class Lost(NamedTuple):
    """A guard that selects the workload's pods and would not select the standby's."""

    ref: ObjectRef
    obj: Object
    guard: Guard


def guards_of(target: Mapping[ObjectRef, Object], live: Mapping[ObjectRef, Object], namespace: str) -> list[Lost]:
    """Every guard of a namespace, in the shape that the target gives it where it does; policies by reference apart."""
    found = []
    for ref, obj in sorted({**live, **target}.items()):
        guard = GUARDS.get((ref.group, ref.kind))
        if guard and ref.namespace == namespace and not ours(obj):
            found += [Lost(ref, part, guard) for part in _parts(obj) if not _by_reference(part)]
    return found


def matcher(each: Lost) -> Matches:
    """Whether a guard's selector matches labels; an empty one matches everything."""
    selector = mapping(each.obj, *each.guard.path)
    if each.guard.plain:
        return partial(selects, selector) if selector else _everything
    return partial(label_selector_matches, _bare(selector))


def lost_guards(
    guards: Iterable[Lost], before: Labels, after: Labels, services: Iterable[Mapping[str, Any]]
) -> list[Lost]:
    """The guards that would be lost. services: labels of the live Services whose doubles carry ours alone."""
    served = list(services)
    lost = []
    for each in guards:
        matches = matcher(each)
        if each.guard.of_services:
            gone = bool(mapping(each.obj, *each.guard.path)) and any(matches(labels) for labels in served)
        else:
            gone = matches(before) and not matches(after)
        if gone:
            lost.append(each)
    return lost


def peers_matching(
    target: Mapping[ObjectRef, Object], live: Mapping[ObjectRef, Object], namespace: str
) -> Iterator[tuple[ObjectRef, Matches]]:
    """Each selector by which a policy of the namespace names the pods at the other end of a connection."""
    for ref, obj in sorted({**live, **target}.items()):
        if ref.namespace != namespace or ours(obj):
            continue
        for section, field, path in _PEERS.get((ref.group, ref.kind), ()):
            peers = (
                peer
                for part in _parts(obj)
                for rule in sequence(part, "spec", section)
                for peer in sequence(rule, field)
            )
            for peer in peers:
                selector = mapping(peer, *path)
                if selector:
                    yield ref, partial(label_selector_matches, _bare(selector))


def lost_peers(peers: Iterable[tuple[ObjectRef, Matches]], before: Labels, after: Labels) -> tuple[ObjectRef, ...]:
    """Policies in which the workload's pods are at the other end and the standby's would not be, each once."""
    return tuple(dict.fromkeys(ref for ref, matches in peers if matches(before) and not matches(after)))


def copy_of(each: Lost, name: str, standby: str, owner: Owner) -> Object:
    """The guard again, selecting the standby's pods (or Services) by our label."""
    spec = deepcopy(mapping(each.obj, "spec"))
    holder = spec
    for part in each.guard.path[1:-1]:
        holder = holder.setdefault(part, {})
    mark = {STANDBY_LABEL: standby}
    holder[each.guard.path[-1]] = mark if each.guard.plain else {"matchLabels": mark}
    made = owner.make(str(each.obj.get("apiVersion")), each.ref.kind, each.ref.namespace, name, spec=spec)
    if each.guard.labelled:
        made["metadata"]["labels"] = {**labels_of(each.obj), **labels_of(made)}
    return made


def _parts(obj: Object) -> list[Object]:
    """A policy as one object per spec: Cilium's may carry a list of them instead of one."""
    return [obj] if obj.get("spec") else [{**obj, "spec": spec} for spec in sequence(obj, "specs")]


def _by_reference(obj: Object) -> bool:
    """Whether a policy is attached to an object by its name instead of selecting pods."""
    return bool(dig(obj, "spec", "targetRef") or dig(obj, "spec", "targetRefs"))


def _everything(_labels: Labels) -> bool:
    return True


def _bare(selector: Mapping[str, Any]) -> Object:
    """A LabelSelector without the source that Cilium may write before a key ("k8s:app", "any:app")."""
    pairs = {str(key).rpartition(":")[2]: value for key, value in mapping(selector, "matchLabels").items()}
    rules = [
        {**rule, "key": str(rule.get("key")).rpartition(":")[2]}
        for rule in sequence(selector, "matchExpressions")
        if isinstance(rule, dict)
    ]
    return {"matchLabels": pairs, "matchExpressions": rules}
