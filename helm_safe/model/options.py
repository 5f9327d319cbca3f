"""The table of what can be set for a run: one row for a flag, a policy key and an annotation alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from helm_safe.core.annotations import PREFIX
from helm_safe.core.written import ANNOTATED, DAY, PATH, Parser, none_or, one_of, span, text, whole
from helm_safe.model import warming
from helm_safe.model.notifying import read_notifiers
from helm_safe.model.queries import read_queries

PROVIDERS = (
    *("scrape", "prometheus", "datadog", "cloudwatch", "newrelic"),
    *("graphite", "influxdb", "dynatrace", "json"),
)
STRATEGIES = ("auto", "shift", "standby", "replicas", "partition", "express", "native")


class Option(NamedTuple):
    """One setting. key: dotted path below `spec` of the policy. annotated: charts may set it, as `helm-safe.dev/NAME`.

    unit: "s" or "%" for how people write the value. What spends consent or names where data is sent (isolation,
    addresses) is never taken from a chart.
    """

    key: str
    parse: Parser
    default: Any
    flag: str = ""
    annotation: str = ""
    unit: str = ""

    @property
    def annotated(self) -> str:
        """The annotation's whole name, "" where there is none."""
        return PREFIX + self.annotation if self.annotation else ""

    def written(self, value: Any) -> str:
        """A value as the flag and the policy take it, plain JSON from a journal included."""
        if value is None:
            return "none"
        if isinstance(value, (tuple, list, dict)):
            value = [each["name"] if isinstance(each, dict) else each for each in value]
            return ",".join(map(str, value))
        if self.unit == "%":
            return f"{_number(100 * value)}%"
        return _time(value) if self.unit == "s" else str(value)


_NAME = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_URL = text(
    r"(https?://[^\s@?#]+|service/[a-z0-9][-a-z0-9]*/(https:)?[a-z0-9][-a-z0-9]*:[a-z0-9][-a-z0-9]*(/[^\s?#]*)?)",
    "an address such as https://prometheus.example, without a password, or service/NAMESPACE/NAME:PORT",
)
_LABELS = r"[A-Za-z0-9][-A-Za-z0-9_./]*=[-A-Za-z0-9_.]*(,[A-Za-z0-9][-A-Za-z0-9_./]*=[-A-Za-z0-9_.]*)*"
_QUERY = text(r"(?s)\s*\S.*", "a query in the language of the provider")
_STATE = text(
    r"(?!\w+://[^/\s]*:[^/@\s]*@)(secret/[a-z0-9][-a-z0-9.]*(#[-\w.]+)?|env:\w+|auto|[a-z][\w+:]*:/[^\s]*)",
    "secret/NAME#KEY, env:VARIABLE, auto (the release's own), or an address without a password",
)
_FILE = text(r"[^\x00-\x1f]+", "a path of a file")
_WORDS = text(r"[^\x00-\x1f]{1,200}", "a name")

OPTIONS: dict[str, Option] = {
    option.key: option
    for option in (
        Option("strategy", one_of(*STRATEGIES), "auto", "--strategy"),
        Option("steps", ANNOTATED["steps"], (1, 10, 50, 100), "--steps", "steps"),
        Option("pause-at", ANNOTATED["pause-at"], None, "--pause-at", "pause-at"),
        Option("approval.from", text(r"[^\x00-\x1f\x7f]{1,200}", "a name or words of at most 200 characters"), ""),
        Option("approval.timeout", none_or(span(1, 7 * DAY)), 3600.0, unit="s"),
        Option("approval.then", one_of("stop", "go-on"), "stop"),
        Option("bake", ANNOTATED["bake"], 60.0, "--bake", "bake", "s"),
        Option("drain-wait", span(0, DAY), 0.0, unit="s"),
        Option("timeout", span(1, 7 * DAY), 900.0, "--timeout", unit="s"),
        Option(
            "known-good-after", ANNOTATED["known-good-after"], 1800.0, "--known-good-after", "known-good-after", "s"
        ),
        Option("route", ANNOTATED["route"], "", "--route", "route"),
        Option("pinned", one_of("move", "leave"), "move", "--pinned"),
        Option("in-cluster.image", text(r"[A-Za-z0-9][-A-Za-z0-9_./:@]{0,400}", "an image"), "", "--image"),
        Option("in-cluster.after", span(15, DAY), 30.0, "--after", unit="s"),
        Option("gitops.sync", one_of("refuse", "suspend", "resume"), "refuse", "--gitops"),
        Option("gitops.namespace", text(_NAME, "a namespace"), "argocd"),
        Option("isolate", one_of("ask", "always", "never"), "ask"),
        Option("unverified", one_of("tell", "block"), "tell"),
        Option("state.database", _STATE, "", "--db"),
        Option("state.redis", _STATE, "", "--redis"),
        Option("state.kafka", _STATE, "", "--kafka"),
        Option("state.registry", _STATE, "", "--registry"),
        Option("state.timeout", span(1, 300), 20.0, unit="s"),
        Option("gates.success-rate", ANNOTATED["success-rate"], 0.99, "", "success-rate", "%"),
        Option("gates.p95", ANNOTATED["p95"], None, "", "p95", "s"),
        Option("gates.minimum-requests", ANNOTATED["minimum-requests"], 75, "", "minimum-requests"),
        Option("gates.no-traffic", one_of("warm-up", "wait", "ask", "stop"), "warm-up"),
        Option("gates.queries", read_queries, ()),
        Option("notifiers", read_notifiers, ()),
        Option("metrics.provider", one_of(*PROVIDERS), "scrape"),
        Option("metrics.url", _URL, "", "--metrics"),
        Option("metrics.tenant", text(r"[-A-Za-z0-9!_.*'()|]{1,300}", "a tenant such as team-a"), ""),
        Option("metrics.requests", _QUERY, ""),
        Option("metrics.errors", _QUERY, ""),
        Option("metrics.lag", none_or(span(0, 3600)), None, unit="s"),
        Option("metrics.tls.ca", _FILE, ""),
        Option("metrics.tls.cert", _FILE, ""),
        Option("metrics.tls.key", _FILE, ""),
        Option("metrics.newrelic.account", whole(1, 10**9 - 1), 0),
        Option("metrics.influxdb.language", one_of("flux", "influxql", "sql"), "flux"),
        Option("metrics.influxdb.org", _WORDS, ""),
        Option("metrics.influxdb.database", _WORDS, ""),
        Option("metrics.cloudwatch.region", text(r"[a-z]{2}[-a-z0-9]{3,30}", "a region such as eu-west-1"), ""),
        Option("metrics.gateway", text(_NAME, "a name of a gateway such as traefik, or auto,"), "auto"),
        Option("metrics.scrape.namespace", text(_NAME, "a name of a namespace"), ""),
        Option("metrics.scrape.labels", text(_LABELS, "labels such as app=traefik"), ""),
        Option("metrics.scrape.port", whole(1, 65535), 0),
        Option("metrics.scrape.path", PATH, ""),
        Option("warm-up.path", ANNOTATED["warmup-path"], "", "", "warmup-path"),
        Option("warm-up.method", one_of(*warming.SAFE, *warming.UNSAFE), "GET"),
        Option("warm-up.unsafe-methods", one_of("refuse", "allow"), "refuse"),
        Option("warm-up.headers", warming.headers, {}),
        Option("warm-up.body", text(r"[^\x00]*", "a text of at most 2000 characters"), ""),
        Option("warm-up.via", one_of(*warming.VIAS), "auto"),
        Option("warm-up.rate", whole(1, 100), 20),
        Option("warm-up.concurrency", whole(1, 32), 8),
        Option("warm-up.least", whole(0, 10**4), 60),
        Option("warm-up.most", whole(1, 10**5), 1000),
        Option("warm-up.slow", ANNOTATED["warmup-slow"], 0.5, "", "warmup-slow", "s"),
        Option("warm-up.timeout", span(1, DAY), 120.0, unit="s"),
    )
}


def _time(seconds: float) -> str:
    """A duration in the largest unit that needs no fraction: "2h", "15m", "90s", "500ms"."""
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds > 60 and seconds % size == 0:
            return f"{seconds // size:.0f}{unit}"
    return f"{_number(seconds)}s" if seconds >= 1 or not seconds else f"{_number(1000 * seconds)}ms"


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def sections() -> Sequence[str]:
    """The mappings that hold options: "gates", "metrics.scrape"."""
    return sorted({key.rpartition(".")[0] for key in OPTIONS if "." in key})
