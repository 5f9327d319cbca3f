"""What each provider of metrics has to be told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_URL = ("prometheus", "graphite", "influxdb", "dynatrace", "json")


def lacking(options: Mapping[str, Any]) -> list[str]:
    """The keys of the policy that the chosen provider needs and that are not set.

    options: the values of `metrics.*` by what follows in their keys.
    """
    provider = options["provider"]
    needed = ["url"] if provider in _URL else []
    if provider == "newrelic":
        needed.append("newrelic.account")
    if provider == "influxdb":
        needed.append("influxdb.org" if options["influxdb.language"] == "flux" else "influxdb.database")
    return [f"metrics.{key}" for key in needed if not options[key]]
