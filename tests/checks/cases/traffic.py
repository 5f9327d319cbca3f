"""Worlds for what stands between the release and a traffic shift in steps."""

from __future__ import annotations

from helm_safe.core.objects import ObjectRef
from helm_safe.model.queries import Unanswered
from helm_safe.model.settings import Settings
from helm_safe.model.snapshot import Snapshot
from helm_safe.model.staging import Door, Staged, Staging
from tests.checks.world import deployment, fires, quiet, ref, world

ROUTE = ObjectRef("gateway.networking.k8s.io", "HTTPRoute", "prod", "web")
STAGING = Staging(
    (Staged(ref("Deployment", "web", "apps"), "web-standby", 2, (Door("web", "web-standby", (ROUTE,)),)),)
)
TWICE = ("HTTPRoute/web: rule 0 names the Service web 2 times",)


@fires("TRAFFIC-002", object="HTTPRoute/web", says="2 times")
def a_service_named_twice() -> Snapshot:
    return world([deployment()]).snapshot(staging=STAGING, crooked=TWICE)


@quiet("TRAFFIC-002")
def the_native_strategy_moves_nobody() -> Snapshot:
    return world([deployment()]).snapshot(staging=STAGING, crooked=TWICE, settings=Settings(strategy="native"))


@fires("GATE-001", says="no running pod of Traefik")
def a_gateway_that_nobody_can_read() -> Snapshot:
    return world([deployment()]).snapshot(staging=STAGING, blind="no running pod of Traefik publishes metrics")


@quiet("GATE-001")
def a_gateway_that_answers() -> Snapshot:
    return world([deployment()]).snapshot(staging=STAGING)


@quiet("GATE-001")
def nothing_staged_needs_no_numbers() -> Snapshot:
    return world([deployment()]).snapshot(blind="no running pod of Traefik publishes metrics")


MISNAMED = Unanswered(
    "queue", "prometheus", "no reading in the last ten minutes", "See that the metric is named rightly."
)


@fires("GATE-002", object="Query/queue", says="'queue' has no usable answer from prometheus")
def a_query_that_nobody_answers() -> Snapshot:
    return world([deployment()]).snapshot(staging=STAGING, unanswered=(MISNAMED,))


@quiet("GATE-002")
def queries_that_are_answered() -> Snapshot:
    return world([deployment()]).snapshot(staging=STAGING)


@quiet("GATE-002")
def the_native_strategy_asks_nobody() -> Snapshot:
    settings = Settings(strategy="native")
    return world([deployment()]).snapshot(staging=STAGING, unanswered=(MISNAMED,), settings=settings)
