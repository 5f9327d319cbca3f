"""PROBE-017: a proxy starts after what needs it, or never ends."""

from __future__ import annotations

import re
from collections.abc import Iterator

from helm_safe.checks.base import WARNING, Check
from helm_safe.checks.doubles import command_of, image_of
from helm_safe.checks.facts import Workload, workloads
from helm_safe.checks.probing import Weakness, report
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object
from helm_safe.core.workloads import container_name, containers, init_containers, sidecar
from helm_safe.model.revisions import Revision
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    return report(CHECK, snapshot, _rule)


# Proxies through which a container reaches its database or its network.
_PROXIES = re.compile(
    r"(?:^|/)(?:cloud-sql-proxy|gce-proxy|alloydb-auth-proxy|proxyv2|istio-proxy|linkerd-proxy|pgbouncer)(?:[:@]|$)"
)
_MIGRATES = re.compile(
    r"\b(?:flyway|liquibase|alembic|goose|dbmate|sqitch|psql|mysql|migrate)\b|db:migrate|prisma migrate", re.IGNORECASE
)
_QUITS = re.compile(r"quitquitquit|/shutdown\b|pilot-agent|linkerd-await|pkill|kill ")


def _rule(_snapshot: Snapshot, revision: Revision) -> Iterator[Weakness]:
    for workload in workloads(revision):
        proxies = [each for each in containers(workload.template) if _PROXIES.search(image_of(each))]
        for proxy in proxies[:1]:
            yield from _weak(workload, proxy)


def _weak(workload: Workload, proxy: Object) -> Iterator[Weakness]:
    name, others = container_name(proxy), [each for each in containers(workload.template) if each is not proxy]
    told = any(_QUITS.search(command_of(each)) for each in (*others, proxy))
    if not workload.kind.long_running and others and not told:
        what = "keeps the Job from ever ending: it is a proxy that nobody tells to stop"
        yield Weakness(workload, name, "image", what, (f"image: {image_of(proxy)}",))
    for init in init_containers(workload.template):
        if not sidecar(init) and _MIGRATES.search(f"{image_of(init)} {command_of(init)}"):
            what = f"runs before proxy {name} is up, through which it would reach its database"
            yield Weakness(workload, container_name(init), "command", what, (f"proxy: {image_of(proxy)}",))


CHECK = Check(
    "PROBE-017",
    "Proxy beside its user",
    WARNING,
    "A proxy to the database or the mesh is an ordinary container: init containers that migrate run before it is "
    "up and fail, and a Job with one never ends, which a hook then waits for.",
    "Make the proxy a native sidecar (an init container with restartPolicy: Always).",
    _run,
)
