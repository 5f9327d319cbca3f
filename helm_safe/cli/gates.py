"""From resolved settings to the provider of metrics."""

from __future__ import annotations

from collections.abc import Mapping

from helm_safe.metrics import BUILTIN
from helm_safe.model.policy import Resolved
from helm_safe.ports import Clock, Cluster, MetricProvider
from helm_safe.registry import load


def metrics_of(settings: Resolved, cluster: Cluster, clock: Clock, env: Mapping[str, str]) -> MetricProvider:
    """The provider that flags and policy choose; nothing is asked of it yet. Raises UsageError."""
    name = settings.value("metrics.provider")
    provider = load(name, BUILTIN, noun="metric provider", group="helm_safe.metrics")
    options = {key.removeprefix("metrics."): each.value for key, each in settings.settings.items()}
    found: MetricProvider = provider.opened(options, cluster, clock, env)
    return found
