"""Adapters that answer for the traffic of backends, and for queries: one file each, one line in a table."""

BUILTIN = {
    "scrape": "helm_safe.metrics.scrape:ScrapeMetrics",
    "prometheus": "helm_safe.metrics.prometheus:PrometheusMetrics",
}
"""Providers that count requests by themselves (ports.MetricProvider)."""

QUERIES = {
    "prometheus": "helm_safe.metrics.promql:PromqlQueries",
    "datadog": "helm_safe.metrics.datadog:DatadogQueries",
    "cloudwatch": "helm_safe.metrics.cloudwatch:CloudWatchQueries",
    "newrelic": "helm_safe.metrics.newrelic:NewRelicQueries",
    "graphite": "helm_safe.metrics.graphite:GraphiteQueries",
    "influxdb": "helm_safe.metrics.influxdb:InfluxQueries",
    "dynatrace": "helm_safe.metrics.dynatrace:DynatraceQueries",
    "json": "helm_safe.metrics.json_api:JsonQueries",
    "kubernetes": "helm_safe.metrics.kubernetes:KubernetesQueries",
}
"""Providers that answer the user's queries (ports.QueryProvider)."""
