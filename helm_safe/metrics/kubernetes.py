"""CPU and memory of pods, from the Kubernetes metrics API: `cpu namespace=$namespace service=$service`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from helm_safe.core.objects import Object, dig, mapping, sequence
from helm_safe.core.quantities import quantity
from helm_safe.metrics.readings import Pair, moment
from helm_safe.metrics.skew import Skew
from helm_safe.model.errors import ClusterError, Forbidden, Missing
from helm_safe.model.resources import POD_METRICS, SERVICES, WORKLOADS
from helm_safe.model.traffic import NoData, NoSeries, Reading, Refused
from helm_safe.ports import Clock, Cluster

WHO = "the Kubernetes metrics API"
_KINDS = {"service": SERVICES, **{kind.lower(): resource for kind, resource in WORKLOADS.items()}}
_OVER: Mapping[str, Callable[[list[float]], float]] = {
    "mean": lambda values: sum(values) / len(values),
    "max": max,
    "sum": sum,
}
_FORM = "Write `cpu` or `memory`, namespace=..., service=... or deployment=...; also container=..., over=mean|max|sum."


class _Wanted(NamedTuple):
    amount: str
    namespace: str
    kind: str
    name: str
    container: str
    over: str


class KubernetesQueries:
    """helm_safe.ports.QueryProvider.

    A query is `cpu` (cores) or `memory` (bytes), then `namespace=`, one of `service=`, `deployment=`, `statefulset=`
    and `daemonset=`, and if wanted `container=` (all of a pod's otherwise) and `over=mean|max|sum` of the pods (mean).
    There is no history: the newest number alone is answered. Requests are not counted here.
    """

    summed = False

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock

    @classmethod
    def opened(
        cls, _options: Mapping[str, Any], cluster: Cluster, clock: Clock, _env: Mapping[str, str]
    ) -> KubernetesQueries:
        """It needs no options: the cluster is the one that is rolled back."""
        return cls(cluster, clock)

    def series(self, query: str, begin: datetime, end: datetime) -> Sequence[Reading]:
        wanted = _wanted(query)

        def fetch(_: datetime, last: datetime) -> list[Pair]:
            # Dated to the second, as is the cluster's clock: the newest measurement may seem to be of the future.
            return [(min(at, last.timestamp()), value) for at, value in self._measured(wanted)]

        return Skew(self._cluster.now() - self._clock.now()).readings(WHO, begin, end, fetch)

    def _measured(self, wanted: _Wanted) -> list[tuple[float, float]]:
        try:
            return list(self._point(wanted))
        except Forbidden as refused:
            raise Refused(f"{WHO} may not be read: {refused.message}", refused.next_step) from None
        except Missing:
            raise Refused("the cluster serves no metrics.k8s.io", "Install the metrics server.") from None
        except ClusterError as error:
            raise NoData(f"{WHO} does not answer: {error.message}") from None

    def _point(self, wanted: _Wanted) -> Iterator[tuple[float, float]]:
        selector = self._selector(wanted)
        labels = ",".join(f"{name}={value}" for name, value in sorted(selector.items()))
        measured = [
            (at, sum(amounts))
            for pod in self._cluster.list(POD_METRICS, wanted.namespace, labels=labels).items
            if (at := moment(pod.get("timestamp"))) and (amounts := list(_amounts(pod, wanted)))
        ]
        if measured:
            yield min(at for at, _ in measured), _OVER[wanted.over]([value for _, value in measured])

    def _selector(self, wanted: _Wanted) -> Mapping[str, str]:
        found = self._cluster.get(_KINDS[wanted.kind], wanted.namespace, wanted.name)
        path = ("spec", "selector") if wanted.kind == "service" else ("spec", "selector", "matchLabels")
        selector = mapping(found, *path)
        if not selector:
            why = "does not exist" if found is None else "selects no pods by labels"
            raise NoSeries(f"{wanted.kind} {wanted.name} of namespace {wanted.namespace} {why}")
        return selector


def _amounts(pod: Object, wanted: _Wanted) -> Iterator[float]:
    for container in sequence(pod, "containers"):
        if wanted.container in ("", dig(container, "name")):
            try:
                yield quantity(dig(container, "usage", wanted.amount))
            except ValueError:
                continue


def _wanted(query: str) -> _Wanted:
    """Raises Refused for a query of another form."""
    amount, *words = query.split() or [""]
    told = dict(word.partition("=")[::2] for word in words)
    kinds = [kind for kind in _KINDS if kind in told]
    known = {"namespace", "container", "over", *kinds}
    over = told.get("over", "mean")
    usable = len(kinds) == 1 and told.get("namespace") and set(told) <= known and over in _OVER
    if amount not in ("cpu", "memory") or not usable:
        raise Refused(f"{WHO} cannot answer the query", _FORM)
    kind = kinds[0]
    return _Wanted(amount, told["namespace"], kind, told[kind], told.get("container", ""), over)
