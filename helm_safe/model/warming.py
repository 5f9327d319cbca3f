"""What new pods are asked before the first user comes, and when one of them is warm. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from helm_safe.model.errors import UsageError

SAFE = ("GET", "HEAD")
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
VIAS = ("auto", "proxy", "port-forward")
NOISE = 0.1
"""The share by which one window must be faster than the window before it to count as an improvement."""
FLOOR = 0.005
"""Seconds below which a difference is the way's, not the pod's."""
MOST_HEADERS = 20
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE = re.compile(r"[!-~]([ -~]{0,998}[!-~])?")
_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_SECRET = re.compile(r"auth|cookie|token|secret|passw|api-?key|credential|session|signature", re.IGNORECASE)
_FRAMING = {"connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
_CALLER = {"authorization", "cookie", "host"}


@dataclass(frozen=True, slots=True)
class WarmUp:
    """The requests of a warm-up, and its bounds.

    path: "" for what the pod says. headers: values may hold `$NAME`, a variable of the environment. rate: requests per
    second to each pod. concurrency: requests under way over all pods. least, most: requests to each pod; least 0: none
    at all. slow: seconds that the 95th percentile may take. timeout: seconds for all.
    """

    path: str = ""
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    unsafe_methods: str = "refuse"
    via: str = "auto"
    rate: int = 20
    concurrency: int = 8
    least: int = 60
    most: int = 1000
    slow: float = 0.5
    timeout: float = 120.0

    def __post_init__(self) -> None:
        if self.method not in SAFE and (self.method not in UNSAFE or self.unsafe_methods != "allow"):
            raise ValueError(f"warm-up requests are {', '.join(SAFE)}, not {self.method}: others could change data")

    @property
    def tunnelled(self) -> bool:
        """Whether the API server's proxy is no way: it would take a header for itself."""
        return self.via == "port-forward" or any(map(speaks_to_the_proxy, self.headers))


def settled(seconds: Sequence[float]) -> bool:
    """Whether the later half of the durations is no longer better than the earlier half, in median and p95.

    A process that still warms up goes on getting faster; one that is done only scatters. Fewer than two: settled.
    """
    half = len(seconds) // 2
    return not half or not any(
        _better(quantile(seconds[-half:], share), quantile(seconds[:half], share)) for share in (0.5, 0.95)
    )


def quantile(values: Sequence[float], share: float) -> float:
    """By nearest rank; of one or more values."""
    return sorted(values)[max(ceil(share * len(values)), 1) - 1]


def _better(later: float, earlier: float) -> bool:
    return earlier - later > max(FLOOR, NOISE * earlier)


def headers(value: Any) -> dict[str, str]:
    """Headers of a policy: name to value. Raises ValueError saying which one cannot be sent, or must be a reference."""
    if not isinstance(value, dict) or len(value) > MOST_HEADERS:
        raise ValueError(f"headers such as {{Accept: text/html}} are expected, at most {MOST_HEADERS}")
    for name, text in value.items():
        _check(name, text)
    return dict(value)


def _check(name: Any, text: Any) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError("a header's name is of letters, digits and dashes")
    if not isinstance(text, str) or not _VALUE.fullmatch(text):
        raise ValueError(f"the header {name} needs a value of one line, printable ASCII")
    if name.lower() in _FRAMING or name.lower().startswith(("proxy-", "impersonate-")):
        raise ValueError(f"the header {name} belongs to the connection and cannot be set")
    if _SECRET.search(name) and not _VARIABLE.search(text):
        raise ValueError(f"the header {name} looks like a secret: name a variable of the environment, such as $TOKEN")


def speaks_to_the_proxy(header: str) -> bool:
    """Whether the API server would read this header of a proxied request as one to itself."""
    return header.lower() in _CALLER


def filled(wanted: Mapping[str, str], env: Mapping[str, str]) -> dict[str, str]:
    """The headers with the variables' values, for sending only. Raises UsageError for a variable of no use."""
    used = sorted({name for text in wanted.values() for name in _VARIABLE.findall(text)})
    for name in used:
        if not _VALUE.fullmatch(env.get(name, "")):
            why = "holds more than one line of printable ASCII" if env.get(name) else "is not set"
            raise UsageError(
                f"warm-up.headers refers to ${name}, which {why} in this environment",
                f"Set {name} where helm-safe runs; it is never written down.",
            )
    return {header: _VARIABLE.sub(lambda found: env[found[1]], text) for header, text in wanted.items()}


def agrees(settings: Mapping[str, tuple[Any, str]]) -> None:
    """Raises UsageError for a warm-up that could change data unasked, or hand a header to the API server.

    settings: (value, source) by key of the options.
    """
    (method, source), (_, path_source) = settings["warm-up.method"], settings["warm-up.path"]
    if method not in SAFE and settings["warm-up.unsafe-methods"][0] != "allow":
        raise UsageError(
            f"{source} warms up with {method}, which could change data",
            "Choose GET, or add warm-up.unsafe-methods: allow to the policy.",
        )
    if method not in SAFE and path_source != source:
        raise UsageError(
            f"{source} warms up with {method}, but the path is not its own ({path_source})",
            "Add warm-up.path beside the method: what could change data is never left to a chart.",
        )
    body, body_source = settings["warm-up.body"]
    if body and method in SAFE:
        raise UsageError(f"{body_source} gives {method} a body", "Choose another method, or leave the body out.")
    named = [name for name in settings["warm-up.headers"][0] if speaks_to_the_proxy(name)]
    if named and settings["warm-up.via"][0] == "proxy":
        raise UsageError(
            f"the header {named[0]} of warm-up.headers would reach the API server, not the pod",
            "Choose warm-up.via: port-forward, or leave it to auto.",
        )
