"""TRAFFIC-002: a route to the release cannot be split safely."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, HTTP_ROUTE, SERVICE, Check
from helm_safe.core.findings import Finding
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    if snapshot.settings.strategy not in ("auto", "standby"):
        return
    for words in snapshot.crooked:
        yield Finding(
            CHECK.id,
            CHECK.severity,
            f"Users cannot be moved in steps: {words}.",
            object=words.partition(":")[0],
            remediation="Correct the route, or accept this: the rollback is then the native one, without steps.",
        )


CHECK = Check(
    "TRAFFIC-002",
    "Route cannot be split",
    ERROR,
    "A route that sends users to the release names a Service twice in one rule, gives it no weight, lies in another"
    " namespace, or is refused by its gateway, so that the share of a standby would not be what was asked for.",
    "Correct the route.",
    _run,
    needs=(HTTP_ROUTE, SERVICE),
)
