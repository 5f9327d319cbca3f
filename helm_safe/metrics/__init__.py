"""Adapters that answer for the traffic of backends: one file each, one line in the table."""

BUILTIN = {
    "scrape": "helm_safe.metrics.scrape:ScrapeMetrics",
    "prometheus": "helm_safe.metrics.prometheus:PrometheusMetrics",
}
