"""Where the pods of a Service are, for dialects whose counters name pods, addresses or routes instead of Services."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any

from helm_safe.core.objects import Object, dig, ref_of, sequence
from helm_safe.metrics.absence import Absent, Indistinct
from helm_safe.model.errors import ClusterError
from helm_safe.model.resources import ENDPOINT_SLICES, SERVICE_NAME, SERVICES
from helm_safe.model.routes import Around, service_of
from helm_safe.model.subsets import DESTINATION_RULE, labels_of_subset
from helm_safe.model.traffic import Backend
from helm_safe.ports import Cluster

_ROUTE = ("gateway.networking.k8s.io", "HTTPRoute")
FORGETS = 300.0
"""Seconds for which a kind without a word about our Services is not listed again."""


class Memory:
    """Which kinds of routes matter, from one sample to the next: most releases have one kind, and a call is a call."""

    def __init__(self) -> None:
        self.matters: set[tuple[tuple[str, str], str]] = set()
        self.idle: dict[tuple[tuple[str, str], str], float] = {}


class Places:
    """What the API server says now; each answer is asked for once. Methods raise Absent where it refuses.

    memory: what earlier samples of the same provider found. now: its clock.
    """

    def __init__(self, cluster: Cluster, memory: Memory | None = None, now: float = 0.0) -> None:
        self._cluster = cluster
        self._memory = memory or Memory()
        self._now = now
        self._endpoints: dict[Backend, list[Any]] = {}
        self._listed: dict[tuple[tuple[str, str], str], list[Object]] = {}

    def pods(self, backend: Backend) -> frozenset[str]:
        """Names of the pods behind the Service, ready or not; of a subset all those of its Service."""
        names = (dig(each, "targetRef", "name") for each in self._behind(backend))
        return frozenset(str(name) for name in names if name)

    def see_that_they_differ(self, backends: Iterable[Backend]) -> None:
        """Raise Indistinct where two Services share some of their pods; those that share all are one of two names."""
        for one, other in combinations(backends, 2):
            shared = self.pods(one) & self.pods(other)
            if shared and self.pods(one) != self.pods(other):
                raise Indistinct(
                    f"{one} and {other} share pods ({min(shared)}), so their requests cannot be told apart",
                    "Choose a gateway that counts by Service (metrics.gateway).",
                )

    def addresses(self, backend: Backend) -> frozenset[str]:
        """IP addresses of the pods behind the Service, and its own."""
        found = {str(address) for each in self._behind(backend) for address in sequence(each, "addresses")}
        service = _told(lambda: self._cluster.get(SERVICES, backend.namespace, service_of(backend.name)))
        own = dig(service, "spec", "clusterIP") if service else None
        return frozenset(found | ({str(own)} if own and own != "None" else set()))

    def ports(self, backend: Backend) -> frozenset[str]:
        """Numbers and names of the Service's own ports."""
        service = _told(lambda: self._cluster.get(SERVICES, backend.namespace, service_of(backend.name)))
        found = [dig(port, key) for port in sequence(service or {}, "spec", "ports") for key in ("port", "name")]
        return frozenset(str(each) for each in found if each)

    def routes(self, namespace: str) -> list[Object]:
        """HTTPRoutes of the namespace."""
        return self._all(_ROUTE, namespace)

    def objects(self, kind: tuple[str, str], backend: Backend) -> list[Object]:
        """Routes of that (group, kind) beside the Service; none where they may not be listed, or none names it."""
        key, memory = (kind, backend.namespace), self._memory
        idle = key not in memory.matters and self._now - memory.idle.get(key, -FORGETS) < FORGETS
        if idle and key not in self._listed:
            return []
        try:
            found = self._all(kind, backend.namespace)
        except Absent:
            found = []
        if any(f'"{backend.name}"' in json.dumps(each.get("spec")) for each in found):
            memory.matters.add(key)
        elif key not in memory.matters:
            memory.idle[key] = self._now
        return found

    def labels_of_subset(self, backend: Backend) -> Mapping[str, str] | None:
        """What tells the subset's pods; None where no DestinationRule of the namespace says it."""
        rules = self._all(DESTINATION_RULE, backend.namespace)
        return labels_of_subset(Around({ref_of(rule): rule for rule in rules}), *backend)

    def _all(self, kind: tuple[str, str], namespace: str) -> list[Object]:
        if (kind, namespace) not in self._listed:
            found = _told(lambda: self._cluster.served().preferred(*kind))
            self._listed[kind, namespace] = _told(lambda: self._cluster.list(found, namespace).items) if found else []
        return self._listed[kind, namespace]

    def _behind(self, backend: Backend) -> Iterator[Any]:
        if backend not in self._endpoints:
            labels = f"{SERVICE_NAME}={service_of(backend.name)}"
            slices = _told(lambda: self._cluster.list(ENDPOINT_SLICES, backend.namespace, labels=labels).items)
            self._endpoints[backend] = [each for piece in slices for each in sequence(piece, "endpoints")]
        yield from self._endpoints[backend]


def _told(ask: Any) -> Any:
    try:
        return ask()
    except ClusterError as error:
        raise Absent(f"where the pods of a Service are cannot be read: {error.message}", error.next_step) from None
