"""From resolved settings to the providers of metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from helm_safe.metrics import BUILTIN, QUERIES
from helm_safe.model.errors import UsageError
from helm_safe.model.policy import Resolved
from helm_safe.model.providers import lacking
from helm_safe.model.queries import Query
from helm_safe.ports import Clock, Cluster, MetricProvider, QueryProvider
from helm_safe.registry import load


def metrics_of(settings: Resolved, cluster: Cluster, clock: Clock, env: Mapping[str, str]) -> MetricProvider:
    """The provider that flags and policy choose; nothing is asked of it yet. Raises UsageError."""
    options = settings.below("metrics")
    name = options["provider"]
    if options["requests"] or options["errors"] or name not in BUILTIN:
        return _counted(options, cluster, clock, env)
    provider = load(name, BUILTIN, noun="metric provider", group="helm_safe.metrics")
    found: MetricProvider = provider.opened(options, cluster, clock, env)
    return found


def queries_of(
    settings: Resolved, cluster: Cluster, clock: Clock, env: Mapping[str, str]
) -> Callable[[Query], QueryProvider]:
    """Who answers a query: its own provider and address, else those of `metrics.*`; each is opened once.

    The function raises UsageError for a provider that answers no queries or is not told enough.
    """
    options = settings.below("metrics")

    @cache
    def opened(name: str, url: str) -> QueryProvider:
        return _queries({**options, "provider": name, "url": url}, cluster, clock, env)

    def provider_of(query: Query) -> QueryProvider:
        name = query.provider or options["provider"]
        return opened(name, query.url or (options["url"] if name == options["provider"] else ""))

    return provider_of


def _counted(options: Mapping[str, Any], cluster: Cluster, clock: Clock, env: Mapping[str, str]) -> MetricProvider:
    from helm_safe.metrics.counted import CountedMetrics

    name = options["provider"]
    missing = [f"metrics.{key}" for key in ("requests", "errors") if not options[key]]
    if missing:
        raise UsageError(
            f"the gates count requests and errors by queries of {name}, and {' and '.join(missing)} is not set",
            "Add it to the policy: a query that answers how many requests (how many errors) $service answered.",
        )
    queries = _queries(options, cluster, clock, env)
    return CountedMetrics(queries, name, options["requests"], options["errors"], clock=clock, lag=options["lag"])


def _queries(options: Mapping[str, Any], cluster: Cluster, clock: Clock, env: Mapping[str, str]) -> QueryProvider:
    name, missing = options["provider"], lacking(options)
    if name in BUILTIN and name not in QUERIES:
        raise UsageError(
            f"{name} answers no queries of your own", f"Name a provider that does: {', '.join(sorted(QUERIES))}."
        )
    if missing:
        raise UsageError(f"a query asks {name}, and {' and '.join(missing)} is not set", "Add it to the policy.")
    provider = load(name, QUERIES, noun="provider of queries", group="helm_safe.queries")
    found: QueryProvider = provider.opened(options, cluster, clock, env)
    return found
