"""Which pods are behind a backend: those of a Service, or the part that a DestinationRule of Istio tells. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from helm_safe.core.objects import Object, ObjectRef, dig, labels_of, mapping, namespace_of, selects, sequence
from helm_safe.model.routes import Around, service_of, subset_of

GROUP = "networking.istio.io"
DESTINATION_RULE = (GROUP, "DestinationRule")


def host_of(host: str, own: str) -> tuple[str, str] | None:
    """(namespace, name) of the Service that a host names; None for one outside of the cluster.

    One label is a Service beside the object; "api.shop", "api.shop.svc" and "api.shop.svc.cluster.local" name another
    namespace (Istio's rule for short names).
    """
    labels = host.split(".")
    if not host or "*" in host or (len(labels) > 2 and labels[2] != "svc"):
        return None
    return (labels[1] if len(labels) > 1 else own), labels[0]


def rules_of(around: Around, namespace: str, service: str) -> Iterator[Object]:
    """DestinationRules for the Service."""
    for rule in around.of_kind(*DESTINATION_RULE):
        if host_of(str(dig(rule, "spec", "host") or ""), namespace_of(rule)) == (namespace, service):
            yield rule


def policy_of(rule: Object, backend: str) -> Object:
    """How a DestinationRule has connections to a backend made: what its subset says comes before the rest."""
    subsets = (each for each in sequence(rule, "spec", "subsets") if dig(each, "name") == subset_of(backend))
    own = next((mapping(each, "trafficPolicy") for each in subsets), {}) if subset_of(backend) else {}
    return {**mapping(rule, "spec", "trafficPolicy"), **own}


def labels_of_subset(around: Around, namespace: str, backend: str) -> Mapping[str, str] | None:
    """The labels that tell the subset's pods; None where no DestinationRule has it. Empty for a whole Service."""
    if not subset_of(backend):
        return {}
    for rule in rules_of(around, namespace, service_of(backend)):
        for subset in sequence(rule, "spec", "subsets"):
            if dig(subset, "name") == subset_of(backend):
                return mapping(subset, "labels")
    return None


def selector_of(around: Around, namespace: str, backend: str) -> dict[str, str]:
    """Labels of the pods behind a backend; empty, which selects nothing, where it is not known."""
    service = around.objects.get(ObjectRef("", "Service", namespace, service_of(backend)), {})
    selector, more = mapping(service, "spec", "selector"), labels_of_subset(around, namespace, backend)
    return {**selector, **more} if selector and more is not None else {}


def pods_of(around: Around, namespace: str, backend: str) -> list[Object]:
    """The pods behind a backend, ready or not."""
    selector = selector_of(around, namespace, backend)
    return [
        pod for pod in around.of_kind("", "Pod") if namespace_of(pod) == namespace and selects(selector, labels_of(pod))
    ]
