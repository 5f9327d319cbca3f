"""What gateways made of plain Envoy share: counters by Envoy cluster, whose name is all that tells Services apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from helm_safe.metrics.dialect import Dialect, Labels, Matchers, Proxies, Sign, status_failed
from helm_safe.metrics.places import Places
from helm_safe.model.traffic import Backend

STATUS = status_failed("envoy_response_code")


def envoy(
    title: str,
    telling: Callable[[Backend, Places], Sequence[Matchers]],
    proxies: Proxies,
    failed: Callable[[Labels], bool | None] = STATUS,
) -> Dialect:
    """The dialect of one of them. Envoy times all answers of a cluster together, in milliseconds."""
    return Dialect(
        title,
        sign=Sign("envoy_server_live"),
        requests="envoy_cluster_upstream_rq",
        durations="envoy_cluster_upstream_rq_time_bucket",
        telling=telling,
        failed=failed,
        proxies=proxies,
        remedy=f"See that the Envoys of {title} publish /stats/prometheus",
        unit=0.001,
        timed_errors=True,
    )
