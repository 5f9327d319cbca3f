"""Istio's gateway by Envoy cluster: one for each port of each subset of a Service, `outbound|PORT|SUBSET|HOST`.

These counters tell subsets apart whatever labels make them. Istio publishes them where it is asked to, and names their
labels otherwise than Envoy itself does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from helm_safe.metrics.dialect import Door, Labels, Matchers, status_failed
from helm_safe.metrics.dialects.istio import GATEWAY
from helm_safe.metrics.envoy import envoy
from helm_safe.metrics.places import Places
from helm_safe.model.routes import service_of, subset_of
from helm_safe.model.traffic import Backend

_REMEDY = (
    "Give the gateway's pods the annotation sidecar.istio.io/statsInclusionPrefixes: cluster.outbound,"
    " or the mesh a proxyStatsMatcher with that prefix"
)


def _telling(backend: Backend, _places: Places) -> Sequence[Matchers]:
    """The domain of the cluster may be any; an empty subset is the Service as a whole.

    Istio gives the counters of each class (2xx, 5xx) the same name as those of each status: one of the two is read.
    """
    service, subset = re.escape(service_of(backend.name)), re.escape(subset_of(backend.name))
    host = rf"{service}\.{re.escape(backend.namespace)}\.svc\..+"
    return ({"cluster_name": rf"outbound\|[0-9]+\|{subset}\|{host}", "response_code_class": ""},)


def _of_user(labels: Labels) -> bool:
    return labels.get("reporter") == "source" and labels.get("response_code") == "200"


def _of_service(labels: Labels) -> bool:
    return labels.get("cluster_name", "").startswith("outbound|")


CLUSTERS = replace(
    envoy("Istio's gateway by subset", _telling, GATEWAY.proxies, status_failed("response_code")),
    remedy=_REMEDY,
    subsets=True,
    door=Door("istio_requests_total", _of_user, f"{_REMEDY}.", _of_service),
)
