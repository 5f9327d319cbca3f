"""Adapters that split traffic: one file each, one line in the table."""

BUILTIN = {
    "gateway-api": "helm_safe.routers.gateway_api:ROUTER",
}
