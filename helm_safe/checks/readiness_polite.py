"""PROBE-007: a readiness probe that says yes too easily."""

from __future__ import annotations

import re
from collections.abc import Iterator

from helm_safe.checks.base import SERVICE, WARNING, Check
from helm_safe.checks.facts import services, services_for
from helm_safe.checks.probing import Weakness, asked, probed, report
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, dig
from helm_safe.core.probes import LIVENESS, READINESS, STARTUP, Probe, probe
from helm_safe.core.workloads import container_name, ports
from helm_safe.model.revisions import Revision
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    return report(CHECK, snapshot, _rule)


# A web server of files answers its front page with all that it does.
_FILES = re.compile(r"(?:^|[/-])(?:nginx|httpd|caddy|apache)(?:[-:@]|$)")
_STATIC = re.compile(r"/(?:index\.html|favicon\.ico|robots\.txt|static(?:/.*)?)?")
_NOTHING = re.compile(r"(?:(?:/bin/)?(?:ba)?sh -l?c )?(?:/bin/)?(?:true|:|exit 0|echo\b[^|;&]*|sleep [\d.]+)")
_LONGEST = 60.0


def _rule(snapshot: Snapshot, revision: Revision) -> Iterator[Weakness]:
    around: list[Object] | None = None
    for workload, container in probed(revision):
        ready = probe(container, READINESS)
        what = _polite(container, ready) if ready else ""
        if not what or ready is None:
            continue
        around = services(snapshot) if around is None else around
        if services_for(around, workload):
            yield Weakness(workload, container_name(container), READINESS, what, (f"readiness: {asked(ready)}",))


def _polite(container: Object, ready: Probe) -> str:
    """Why it says yes too easily; "" where it does not."""
    kind, *words = ready.handler
    eject = ready.patience + ready.timeout
    if kind == "exec" and _NOTHING.fullmatch(" ".join(words)[:512].strip()):
        return "is ready whatever it does: its readiness probe runs a command that always succeeds"
    if kind == "tcpSocket" and _speaks_http(container, ready):
        return "is ready as soon as its port is open, whether or not it can answer a request"
    if kind == "httpGet" and _STATIC.fullmatch(words[0]) and not _FILES.search(str(container.get("image") or "")):
        return f"is ready when it answers {words[0]}, which says little of the application"
    if eject > _LONGEST:
        return f"keeps its users for {eject:.0f} s after it has stopped answering: its readiness probe is that patient"
    return ""


def _speaks_http(container: Object, ready: Probe) -> bool:
    """Whether another probe asks the same container by HTTP, or its port is named after it."""
    others = (dig(container, field, "httpGet") for field in (LIVENESS, STARTUP))
    names = {name for name, number in ports(container) if ready.port in (name, str(number))}
    return any(other is not None for other in others) or any(name.startswith("http") for name in names)


CHECK = Check(
    "PROBE-007",
    "Readiness too polite",
    WARNING,
    "A readiness probe of a container behind a Service that proves little: a command that always succeeds, an "
    "open port of a web application, the front page, or more than a minute until a broken pod loses its users. "
    "Gates and Helm would take such a pod for good.",
    "Ask an endpoint that answers only when the application can serve, every 5 s, three times.",
    _run,
    needs=(SERVICE,),
)
