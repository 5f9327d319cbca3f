"""What a probe of a container may ask, derived from what the object itself says."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from helm_safe.core.objects import Object, dig, sequence
from helm_safe.core.probes import HANDLERS, LIVENESS, READINESS, STARTUP, Stack, probe
from helm_safe.core.workloads import ports
from krm_fn.injectors.spring import spring_endpoints
from krm_fn.pods import Workload, is_tcp

# (liveness, readiness): endpoints that come in pairs. Those with common names pair only in a JVM.
_PAIRS = (
    ("/actuator/health/liveness", "/actuator/health/readiness"),
    ("/q/health/live", "/q/health/ready"),
    ("/observe/health/live", "/observe/health/ready"),
)
_JVM_PAIRS = (("/health/live", "/health/ready"), ("/health/liveness", "/health/readiness"))

# Bounded: these listen within minutes. A data engine that recovers, or a server that loads a model, may need hours.
_BOUNDED = ("JVM", "Ruby on Rails", ".NET", "Python", "Node")
_DATA_ENGINE = "data engine"

_SERVING = re.compile(r"https?(?:-.*)?|h2c?|http2|web|grpc(?:-.*)?|api|main|app", re.IGNORECASE)
_ASIDE = re.compile(
    r".*(?:debug|jdwp|jmx|metric|prom|monitor|admin|manag|mgmt|actuator|health|probe|trac|gossip|peer|raft|cluster).*",
    re.IGNORECASE,
)
_DEBUGGERS = {5005, 9229, 5678, 2345, 1099, 9010}


class Handlers(NamedTuple):
    """Handlers per probe; None where none is safe. reason: why there is none for readiness; empty: nothing to say."""

    container: Object
    liveness: Object | None = None
    readiness: Object | None = None
    startup: Object | None = None
    reason: str = ""

    def of(self, field: str) -> Object | None:
        if field == LIVENESS:
            return self.liveness
        if field == READINESS:
            return self.readiness
        return handler_of(self.container, LIVENESS) or self.startup


class _Port(NamedTuple):
    """served: a Service of the build sends requests there."""

    value: str | int
    served: bool


def derive(workload: Workload, container: Object, stack: Stack | None, settings: dict[str, Any]) -> Handlers:
    if workload.item.gvk.group == "serving.knative.dev":
        return Handlers(container)  # Knative gives every revision a readiness probe of its own
    if stack and stack.name == _DATA_ENGINE:
        return Handlers(
            container, reason="a data engine may need long for its recovery, and its peers may need it then"
        )
    pair = _pair(container, stack) if settings["byStack"] else None
    if pair:
        return Handlers(container, *pair, startup=pair[0])
    port, reason = _port(workload, container) if settings["byPorts"] else (None, "ports are not to be used")
    if port is None:
        return Handlers(container, reason=reason)
    asked: Object = {"tcpSocket": {"port": port.value}}
    bounded = stack is not None and stack.slow and stack.name in _BOUNDED
    return Handlers(container, readiness=asked, startup=asked if port.served and bounded else None)


def handler_of(container: Object, field: str) -> Object | None:
    """The handler of a probe that is there, without its times."""
    if probe(container, field) is None:
        return None
    body = container[field]
    return {name: body[name] for name in HANDLERS if name in body}


def _pair(container: Object, stack: Stack | None) -> tuple[Object, Object] | None:
    """(liveness, readiness) by an endpoint's sibling that the team uses already, or by what the container declares."""
    jvm = stack is not None and stack.name == "JVM"
    pairs = (*_PAIRS, *(_JVM_PAIRS if jvm else ()))
    for field in (LIVENESS, READINESS, STARTUP):
        get = dig(container, field, "httpGet")
        path = str(dig(get, "path") or "")
        if not path:
            continue
        for live, ready in pairs:
            end = next((each for each in (live, ready) if path.endswith(each)), None)
            if end is not None:
                prefix = path.removesuffix(end)
                return {"httpGet": {**get, "path": prefix + live}}, {"httpGet": {**get, "path": prefix + ready}}
    return spring_endpoints(container, lambda: _declared(container)[0]) if jvm else None


def _port(workload: Workload, container: Object) -> tuple[_Port | None, str]:
    served = _served(workload, container)
    if served is not None:
        return _Port(served, served=True), ""
    if workload.item.kind == "StatefulSet":
        return (
            None,
            "no Service of the build balances requests over its pods, which may need each other to become ready",
        )
    declared, reason = _declared(container)
    return (_Port(declared, served=False), "") if declared is not None else (None, reason)


def _served(workload: Workload, container: Object) -> str | int | None:
    """The port of the container that a Service uses; of several the one for serving."""
    used = workload.served_ports()
    hit = [(name, number) for name, number in _tcp_ports(container) if {name, str(number)} & used]
    best = next((each for each in hit if _SERVING.fullmatch(each[0])), hit[0] if hit else None)
    if best is not None:
        return best[0] or best[1]
    numbers = sorted(int(each) for each in used if each.isdecimal())
    alone = len(workload.containers) == 1 and not any(True for _ in ports(container))
    return numbers[0] if alone and len(numbers) == 1 else None


def _declared(container: Object) -> tuple[str | int | None, str]:
    every = list(_tcp_ports(container))
    candidates = [each for each in every if not _ASIDE.fullmatch(each[0]) and each[1] not in _DEBUGGERS]
    named = [each for each in candidates if _SERVING.fullmatch(each[0])]
    chosen = named if len(named) == 1 else candidates
    if len(chosen) == 1:
        name, number = chosen[0]
        return name or number, ""
    if not every:
        return None, "it declares no TCP port"
    words = ", ".join(f"{name}={number}" if name else str(number) for name, number in every)
    return None, f"none of its ports ({words}) is clearly the one that serves, and no Service of the build uses one"


def _tcp_ports(container: Object) -> list[tuple[str, int]]:
    return list(ports({"ports": [each for each in sequence(container, "ports") if is_tcp(each)]}))
