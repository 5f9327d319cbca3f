"""Facts of probes: handlers, budgets in seconds, and the signs of a stack that starts slowly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from helm_safe.core.objects import dig, mapping, sequence
from helm_safe.core.quantities import nanos
from helm_safe.core.workloads import ports

_DEPENDENCIES = re.compile(r"(?<![a-z])ready|readiness|actuator/health/?$|/health/full|deep", re.IGNORECASE)
_CLIENTS = re.compile(
    r"\b(?:psql|pg_isready|mysqladmin|redis-cli|mongosh?)\b|\bcurl\b.*(?:db|redis|kafka)", re.IGNORECASE
)

STARTUP, READINESS, LIVENESS = "startupProbe", "readinessProbe", "livenessProbe"
HANDLERS = ("httpGet", "tcpSocket", "exec", "grpc")


class Probe(NamedTuple):
    """One probe with Kubernetes' defaults filled in; times in seconds."""

    field: str
    handler: tuple[str, ...]
    port: str
    initial_delay: float
    period: float
    timeout: float
    failures: int

    @property
    def budget(self) -> float:
        """How long it may fail, from the start of the container, before it acts."""
        return self.initial_delay + self.period * self.failures

    @property
    def patience(self) -> float:
        """How long a pod that was well may be unwell before the probe acts."""
        return self.period * self.failures


class Stack(NamedTuple):
    """A recognised stack. startup: (period seconds, failure threshold) of the startupProbe to advise."""

    name: str
    slow: bool
    startup: tuple[int, int]


_STACKS: tuple[tuple[Stack, re.Pattern[str], re.Pattern[str]], ...] = tuple(
    (Stack(name, slow, startup), re.compile(words, re.IGNORECASE), re.compile(env or r"(?!)"))
    for name, slow, startup, words, env in (
        (
            "JVM",
            True,
            (10, 30),
            (
                r"eclipse-temurin|openjdk|amazoncorretto|\bazul\b|zulu|ibm-semeru|bellsoft|distroless/java|paketobuildpacks"
                r"|\btomcat\b|\bjetty\b|wildfly|open-liberty|payara|helidon|quarkus|springframework|spring-boot"
                r"|\bjava -\S|\.jar\b"
            ),
            r"(?:JAVA|JVM|CATALINA)_OPTS|JAVA_TOOL_OPTIONS|(?:JDK)?_?JAVA_OPTIONS|(?:SPRING|MICRONAUT|QUARKUS)_.*",
        ),
        (
            "machine-learning server",
            True,
            (10, 60),
            r"\bvllm\b|tritonserver|torchserve|transformers|text-generation-inference|tensorflow/serving|\bollama\b",
            "",
        ),
        (
            "Ruby on Rails",
            True,
            (3, 40),
            r"\brails\b|\bpuma\b|\bsidekiq\b",
            r"RAILS_ENV|RAILS_MASTER_KEY",
        ),
        (
            "data engine",
            True,
            (10, 60),
            (
                r"(?:^|/)(?:postgres|postgresql|mysql|mariadb|mongo|mongodb|elasticsearch|opensearch|cassandra|kafka"
                r"|clickhouse|clickhouse-server)(?:[:@ ]|$)"
            ),
            "",
        ),
        (
            ".NET",
            False,
            (3, 20),
            r"mcr\.microsoft\.com/dotnet|\bdotnet\b.*\.dll",
            r"ASPNETCORE_URLS|ASPNETCORE_HTTP_PORTS",
        ),
        ("Python", False, (3, 20), r"\bgunicorn\b|\buvicorn\b|(?:^|/)python:", r"DJANGO_.*|GUNICORN_CMD_ARGS"),
        ("Node", False, (2, 15), r"(?:^|/)node:|\bnpm\b|\byarn\b|\bpnpm\b", r"NODE_ENV|NODE_OPTIONS"),
    )
)


def probe(container: Mapping[str, Any], field: str) -> Probe | None:
    """The probe of that field, None where there is none or it has no handler."""
    body = container.get(field)
    if not isinstance(body, dict):
        return None
    kind = next((name for name in HANDLERS if isinstance(body.get(name), dict)), None)
    if kind is None:
        return None
    return Probe(
        field=field,
        handler=_handler(kind, mapping(body, kind)),
        port=str(dig(body, kind, "port") if dig(body, kind, "port") is not None else ""),
        initial_delay=_number(body.get("initialDelaySeconds"), 0),
        period=_number(body.get("periodSeconds"), 10) or 10,
        timeout=_number(body.get("timeoutSeconds"), 1) or 1,
        failures=int(_number(body.get("failureThreshold"), 3)) or 3,
    )


def stack_of(container: Mapping[str, Any], labels: Mapping[str, Any] | None = None) -> Stack | None:
    """The first stack whose signs stand in the image, the command, the environment or the pod's labels."""
    argv = [*sequence(container, "command"), *sequence(container, "args")]
    words = " ".join(
        str(part) for part in (container.get("image") or "", *argv, *(labels or {}), *(labels or {}).values())
    )
    return _recognised(words[:8192], tuple(str(dig(variable, "name") or "") for variable in sequence(container, "env")))


@lru_cache(maxsize=4096)
def _recognised(words: str, names: tuple[str, ...]) -> Stack | None:
    """Many containers of a build have the same image, command and variables."""
    for stack, word, variable in _STACKS:
        if any(variable.fullmatch(name) for name in names) or word.search(words):
            return stack
    return None


def starved(container: Mapping[str, Any]) -> bool:
    """Whether the CPU limit is under half a core: a JVM then starts several times slower."""
    limit = dig(container, "resources", "limits", "cpu")
    try:
        return limit is not None and nanos(limit) < 5 * 10**8
    except ValueError:
        return False


def boot_kill_after(container: Mapping[str, Any]) -> float | None:
    """Seconds after which the liveness probe kills a container that never answers; None where nothing kills it.

    With a startupProbe that one decides.
    """
    first = probe(container, STARTUP) or probe(container, LIVENESS)
    return first.budget if first else None


def identical(live: Probe, ready: Probe) -> bool:
    """Whether liveness asks what readiness asks and gives up no later: it kills where sparing would do."""
    return live.handler == ready.handler and live.patience <= ready.patience


def asks_dependencies(found: Probe) -> bool:
    """Whether a probe, by its path or command, asks more than its own process: a database, a queue, whole readiness."""
    kind, *words = found.handler
    if kind == "exec":
        return bool(_CLIENTS.search(" ".join(words)))
    return kind == "httpGet" and bool(_DEPENDENCIES.search(words[0]))


def unknown_port(found: Probe, container: Mapping[str, Any]) -> bool:
    """Whether a probe names a port that the container does not declare; a number needs no declaration."""
    named = bool(found.port) and not found.port.isdigit()
    return named and found.port not in {name for name, _ in ports(container)}


def _handler(kind: str, body: Mapping[str, Any]) -> tuple[str, ...]:
    if kind == "exec":
        return (kind, *(str(part) for part in sequence(body, "command")))
    fields = {"httpGet": ("path", "port", "host", "scheme"), "tcpSocket": ("port", "host"), "grpc": ("port", "service")}
    defaults = {"path": "/", "scheme": "HTTP"}
    return (kind, *(str(body.get(name) or defaults.get(name, "")) for name in fields[kind]))


def _number(value: Any, default: float) -> float:
    usable = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if usable and 0 <= value < 10**9 else default
