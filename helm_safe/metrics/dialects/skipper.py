"""Skipper: one route, so one counter, per Service of a path; `_` stands for what is no letter or digit in a name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from helm_safe.metrics.dialect import Dialect, Matchers, Proxies, Sign, status_failed
from helm_safe.metrics.places import Places
from helm_safe.model.traffic import Backend


def _telling(backend: Backend, _places: Places) -> Sequence[Matchers]:
    """kube_<namespace>__<Ingress>__<host>__<path>__<Service>; the two underscores tell `api` from `web-api`."""
    namespace, name = (re.sub("[^a-z0-9]", "_", part) for part in backend)
    return ({"route": f"kube(ew)?_{namespace}__.*__{name}"},)


SKIPPER = Dialect(
    "Skipper",
    sign=Sign("skipper_serve_route_duration_seconds_count"),
    requests="skipper_serve_route_duration_seconds_count",
    durations="skipper_serve_route_duration_seconds_bucket",
    telling=_telling,
    failed=status_failed("code"),
    proxies=Proxies(("application=skipper-ingress", "application=skipper"), ("metrics-port", "metrics"), 9911),
    remedy="Start Skipper with -metrics-flavour=prometheus -serve-route-metrics",
)
