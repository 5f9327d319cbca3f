"""The schema of `spec.probes`."""

from __future__ import annotations

from typing import Any

from helm_safe.core.probes import LIVENESS, READINESS, STARTUP
from krm_fn.selection import CONTAINERS

FIELDS = {"liveness": LIVENESS, "readiness": READINESS, "startup": STARTUP}
"""Words of the config -> fields of a container. Liveness comes first: the startup probe takes over its handler."""

_PORT = {"type": ["integer", "string"], "minimum": 1, "maximum": 65535, "minLength": 1}
_SECONDS = {"type": "integer", "minimum": 1, "maximum": 86400}
TIMINGS: dict[str, Any] = {
    "initialDelaySeconds": {**_SECONDS, "minimum": 0},
    "periodSeconds": _SECONDS,
    "timeoutSeconds": _SECONDS,
    "successThreshold": _SECONDS,
    "failureThreshold": _SECONDS,
    "terminationGracePeriodSeconds": _SECONDS,
}
_TIMES = {"type": "object", "properties": TIMINGS}
_TEXT = {"type": "string", "minLength": 1}
_PROBE: dict[str, Any] = {
    "type": ["object", "boolean"],
    "description": "A probe as Kubernetes has it; without a handler its times go with the derived one; false: none.",
    "properties": {
        "httpGet": {
            "type": "object",
            "required": ["port"],
            "properties": {
                "path": _TEXT,
                "port": _PORT,
                "scheme": {"type": "string", "enum": ["HTTP", "HTTPS"]},
                "host": _TEXT,
                "httpHeaders": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name", "value"],
                        "properties": {"name": _TEXT, "value": {"type": "string"}},
                    },
                },
            },
        },
        "tcpSocket": {"type": "object", "required": ["port"], "properties": {"port": _PORT, "host": _TEXT}},
        "grpc": {
            "type": "object",
            "required": ["port"],
            "properties": {"port": {**_PORT, "type": "integer"}, "service": _TEXT},
        },
        "exec": {
            "type": "object",
            "required": ["command"],
            "properties": {"command": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
        },
        **TIMINGS,
    },
}

SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Probes for containers that lack them.",
    "properties": {
        "add": {
            "type": "array",
            "items": {"type": "string", "enum": list(FIELDS)},
            "default": list(FIELDS),
            "description": "Which probes to add.",
        },
        "byStack": {
            "type": "boolean",
            "default": True,
            "description": "Use the health endpoints that the object declares for its stack (Spring Boot, Quarkus, …).",
        },
        "byPorts": {
            "type": "boolean",
            "default": True,
            "description": "Use the ports that a Service of the build uses or that the container declares.",
        },
        "rules": {
            "type": "array",
            "default": [],
            "description": "What to add where; for each probe of a container the first rule that names it counts.",
            "items": {
                "type": "object",
                "properties": {"select": {**CONTAINERS, "default": {}}, **dict.fromkeys(FIELDS, _PROBE)},
            },
        },
        "times": {
            "type": "object",
            "default": {},
            "description": "Times instead of our own.",
            "properties": dict.fromkeys(FIELDS, _TIMES),
        },
    },
}
