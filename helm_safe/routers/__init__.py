"""Adapters that split traffic: one file each, one line in the table."""

BUILTIN = {
    "gateway-api": "helm_safe.routers.gateway_api:HTTP",
    "gateway-api-grpc": "helm_safe.routers.gateway_api:GRPC",
    "gateway-api-tcp": "helm_safe.routers.gateway_api:TCP",
    "gateway-api-tls": "helm_safe.routers.gateway_api:TLS",
    "istio": "helm_safe.routers.istio:ROUTER",
    "ingress-nginx": "helm_safe.routers.ingress_nginx:ROUTER",
    "traefik-service": "helm_safe.routers.traefik:SERVICE",
    "traefik-ingress-route": "helm_safe.routers.traefik:ROUTE",
    "traefik-ingress-route-tcp": "helm_safe.routers.traefik:TCP_ROUTE",
    "contour": "helm_safe.routers.contour:ROUTER",
    "alb": "helm_safe.routers.alb:ROUTER",
    "apisix": "helm_safe.routers.apisix:ROUTER",
    "skipper": "helm_safe.routers.skipper:ROUTER",
    "skipper-route-group": "helm_safe.routers.skipper_group:ROUTER",
    "kuma": "helm_safe.routers.kuma:HTTP",
    "kuma-tcp": "helm_safe.routers.kuma:TCP",
    "openshift": "helm_safe.routers.openshift:ROUTER",
    "gloo": "helm_safe.routers.gloo:TABLE",
    "gloo-virtual-service": "helm_safe.routers.gloo:SERVICE",
    "smi": "helm_safe.routers.smi:ROUTER",
}
