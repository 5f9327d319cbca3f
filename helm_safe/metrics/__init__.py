"""Adapters that answer for the traffic of backends: one file each, one line in the table."""

BUILTIN = {
    "traefik": "helm_safe.metrics.traefik:TraefikMetrics",
    "prometheus": "helm_safe.metrics.prometheus:PrometheusMetrics",
}
