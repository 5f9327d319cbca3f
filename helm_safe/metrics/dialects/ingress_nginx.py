"""ingress-nginx: requests of a canary Ingress are counted under the main Ingress, told apart by the label `canary`."""

from __future__ import annotations

from collections.abc import Sequence

from helm_safe.metrics.dialect import Dialect, Matchers, Proxies, Sign, status_failed
from helm_safe.metrics.places import Places
from helm_safe.model.traffic import Backend

_PORT = "[a-z0-9]+"
"""A number or a name. One with a hyphen is not read: `shop-api-http-web` may be port `http-web` of `api` or port `web`
of `api-http`, and a Service without numbers is not passed, a wrong one may be.
"""


def _telling(backend: Backend, _places: Places) -> Sequence[Matchers]:
    """A canary's requests carry namespace and Service of the main Ingress, and <namespace>-<Service>-<port> as
    `canary`, which is empty for those that the main Service answered.
    """
    namespace, name = backend
    return (
        {"namespace": namespace, "service": name, "canary": ""},
        {"namespace": namespace, "canary": f"{namespace}-{name}-{_PORT}"},
    )


INGRESS_NGINX = Dialect(
    "ingress-nginx",
    sign=Sign("nginx_ingress_controller_build_info"),
    requests="nginx_ingress_controller_requests",
    durations="nginx_ingress_controller_response_duration_seconds_bucket",
    telling=_telling,
    failed=status_failed("status"),
    proxies=Proxies(
        ("app.kubernetes.io/name=ingress-nginx,app.kubernetes.io/component=controller",), ("metrics",), 10254
    ),
    remedy="Start the controller with --enable-metrics=true",
)
