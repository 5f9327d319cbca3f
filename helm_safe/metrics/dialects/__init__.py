"""Dialects: what each gateway and mesh calls its counters. One file each, one line in the table.

The order is that in which `auto` tries them: gateways that name a Service exactly come first, meshes before those that
only a route's place tells apart.
"""

BUILTIN = {
    "traefik": "helm_safe.metrics.dialects.traefik:TRAEFIK",
    "ingress-nginx": "helm_safe.metrics.dialects.ingress_nginx:INGRESS_NGINX",
    "contour": "helm_safe.metrics.dialects.contour:CONTOUR",
    "skipper": "helm_safe.metrics.dialects.skipper:SKIPPER",
    "apisix": "helm_safe.metrics.dialects.apisix:APISIX",
    "envoy-gateway": "helm_safe.metrics.dialects.envoy_gateway:ENVOY_GATEWAY",
    "istio": "helm_safe.metrics.dialects.istio:SIDECARS",
    "istio-waypoint": "helm_safe.metrics.dialects.istio:WAYPOINT",
    "istio-gateway": "helm_safe.metrics.dialects.istio:GATEWAY",
    "istio-clusters": "helm_safe.metrics.dialects.istio_clusters:CLUSTERS",
    "linkerd": "helm_safe.metrics.dialects.linkerd:LINKERD",
}
