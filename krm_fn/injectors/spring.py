"""The health endpoints of Spring Boot, where the container's own settings declare them.

Whether an image holds the actuator cannot be seen from outside, and a probe of an endpoint that is not there kills the
pod. So they count only where the container switches them on by name (management.endpoint.health.probes.enabled).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from helm_safe.core.objects import Object, sequence
from helm_safe.core.workloads import ports

_ENABLED = ("management.endpoint.health.probes.enabled", "management.health.probes.enabled")
_EXPOSED = "management.endpoints.web.exposure.include"
_HIDDEN = "management.endpoints.web.exposure.exclude"
_TLS = ("management.server.ssl.", "server.ssl.")
_UNREADABLE = ""


def spring_endpoints(container: Object, serving: Callable[[], str | int | None]) -> tuple[Object, Object] | None:
    """(liveness, readiness); None where they are not declared, not exposed, behind TLS, or their port is unknown."""
    if not _mentioned(container):
        return None
    said = _settings(container)
    if not any(said.get(key, "").lower() == "true" for key in _ENABLED) or not _exposed(said):
        return None
    if any(key.startswith(prefix) for key in said for prefix in _TLS):
        return None
    place = _place(said, container, serving)
    if place is None:
        return None
    port, base = place
    live, ready = (f"{base}/health/{word}" for word in ("liveness", "readiness"))
    return {"httpGet": {"path": live, "port": port}}, {"httpGet": {"path": ready, "port": port}}


def _mentioned(container: Object) -> bool:
    """A quick look first: most containers say nothing of it."""
    variables = [each for each in sequence(container, "env") if isinstance(each, dict)]
    said = [f"{each.get('name')} {each.get('value')}" for each in variables]
    said += map(str, (*sequence(container, "args"), *sequence(container, "command")))
    return any("PROBES_ENABLED" in each or "probes.enabled" in each for each in said)


def _exposed(said: dict[str, str]) -> bool:
    included = {word.strip() for word in said.get(_EXPOSED, "health").split(",")}
    excluded = {word.strip() for word in said.get(_HIDDEN, "").split(",")}
    return bool(included & {"health", "*"}) and not excluded & {"health", "*"}


def _place(
    said: dict[str, str], container: Object, serving: Callable[[], str | int | None]
) -> tuple[str | int, str] | None:
    """(port, path in front of /health)."""
    base = "/" + said.get("management.endpoints.web.base-path", "/actuator").strip("/")
    own = said.get("management.server.port")
    if own is not None:
        before = said.get("management.server.base-path", "").rstrip("/")
        return (int(own), before + base) if own.isdecimal() and int(own) else None
    said_port = said.get("server.port")
    port = serving() if said_port is None else int(said_port) if said_port.isdecimal() else None
    separate = any(re.search(r"manag|mgmt|actuator|admin|health", name) for name, _ in ports(container))
    if port is None or separate:  # a port of its own that a file inside the image may configure
        return None
    before = said.get("server.servlet.context-path") or said.get("spring.webflux.base-path") or ""
    return port, before.rstrip("/") + base


def _settings(container: Object) -> dict[str, str]:
    """Properties by their canonical names, from arguments, system properties and the environment, which is weakest.

    A value that comes from elsewhere is unreadable: an empty text.
    """
    found: dict[str, str] = {}
    for variable in sequence(container, "env"):
        name = variable.get("name") if isinstance(variable, dict) else None
        if isinstance(name, str) and name.startswith(_PREFIXES):
            value = variable.get("value")
            value = value if isinstance(value, str) else _UNREADABLE
            if name in _VARIABLES:
                found[_VARIABLES[name]] = value
            else:
                found.update(_of_variable(name, value))
    words = " ".join(str(each) for each in (*sequence(container, "command"), *sequence(container, "args")))
    for prefix in ("-D", "--") if "." in words else ():
        found.update(_of_words(words, prefix))
    return found


def _of_variable(name: str, value: str) -> Iterator[tuple[str, str]]:
    if name in _OPTIONS:
        yield from _of_words(value, "-D")
    elif name.startswith(("SERVER_SSL_", "MANAGEMENT_SERVER_SSL_")):
        yield name.lower().replace("_", "."), value


def _of_words(words: str, prefix: str) -> Iterator[tuple[str, str]]:
    for one in words.split():
        name, equals, value = one.removeprefix(prefix).partition("=")
        if equals and one.startswith(prefix) and name.startswith(("management.", "server.", "spring.")):
            yield name, value


_PREFIXES = ("JAVA", "JDK_JAVA", "_JAVA", "JVM", "MANAGEMENT_", "SERVER_", "SPRING_WEBFLUX_")
_OPTIONS = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "JAVA_OPTS", "JAVA_OPTIONS", "JVM_OPTS")
_NAMES = (
    *_ENABLED,
    _EXPOSED,
    _HIDDEN,
    "management.endpoints.web.base-path",
    "management.server.port",
    "management.server.base-path",
    "server.port",
    "server.servlet.context-path",
    "spring.webflux.base-path",
)
_VARIABLES = {name.upper().replace(".", "_").replace("-", ""): name for name in _NAMES}
