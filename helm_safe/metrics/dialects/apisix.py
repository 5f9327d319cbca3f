"""Apache APISIX: routes with several backends have one counter, which names the address that answered."""

from __future__ import annotations

from collections.abc import Sequence

from helm_safe.metrics.dialect import Dialect, Matchers, Proxies, Sign, one_of, status_failed
from helm_safe.metrics.places import Places
from helm_safe.model.traffic import Backend


def _telling(backend: Backend, places: Places) -> Sequence[Matchers]:
    """The label `node` is a pod's address, or the Service's own where it is resolved as a whole."""
    addresses = one_of(places.addresses(backend))
    if not addresses:
        return ()
    # Durations come in three types, of which the request is what users wait for; the counter has none.
    return ({"node": addresses, "type": "|request"},)


APISIX = Dialect(
    "APISIX",
    sign=Sign("apisix_node_info"),
    requests="apisix_http_status",
    durations="apisix_http_latency_bucket",
    telling=_telling,
    failed=status_failed("code"),
    proxies=Proxies(("app.kubernetes.io/name=apisix",), ("prometheus", "metrics"), 9091, "/apisix/prometheus/metrics"),
    remedy="Switch the plugin `prometheus` on, globally or in the routes",
    unit=0.001,
    by_pods=True,
    timed_errors=True,
)
