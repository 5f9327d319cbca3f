"""How a make-believe container behaves: its role, read from annotations, environment or image tag. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from helm_safe.core.quantities import duration

T = TypeVar("T")


class Role(str, Enum):
    """GOOD serves. BROKEN fails a share of requests. COLD is slow and fails at first, and lies to a polite probe.

    SCHEMA_MISMATCH meets a database that it does not fit. CONSUMER serves no HTTP and eats messages.
    CRASH ends with an error, EXIT without one. OOM is killed for memory.
    """

    GOOD = "good"
    BROKEN = "broken"
    COLD = "cold"
    SCHEMA_MISMATCH = "schema-mismatch"
    CONSUMER = "consumer"
    CRASH = "crash"
    OOM = "oom"
    EXIT = "exit"


_TAG = re.compile(r"(?:^|[-.])(good|broken|cold|schema-mismatch|consumer|crash|oom|exit)(?:-(\d{1,6}))?$")
_MISSING = re.compile(r"(?:^|[-.])missing$")
ENVIRONMENT = "SANDBOX_"
# role -> the parameter that a number after it in the image tag sets
_TAG_NUMBER = {
    Role.BROKEN: "error-rate",
    Role.COLD: "cold-seconds",
    Role.SCHEMA_MISMATCH: "error-rate",
    Role.CRASH: "exit-after",
    Role.OOM: "exit-after",
    Role.EXIT: "exit-after",
}
_CODES = {Role.CRASH: 1, Role.BROKEN: 1, Role.OOM: 137}


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A role and its numbers; times in seconds, error_rate from 0 to 1.

    exit_after: None runs for ever. shutdown: seconds for which it goes on answering after SIGTERM.
    cold_requests: requests that must be served before it is warm, besides cold_seconds.
    cpu_per_request: of one processor core. turns: BROKEN serves rightly for so long, then fails its share, by turns.
    """

    role: Role = Role.GOOD
    error_rate: float = 1.0
    latency: float = 0.0
    cold_seconds: float = 0.0
    cold_requests: int = 0
    cold_latency: float = 1.0
    exit_after: float | None = None
    exit_code: int = 0
    ready_after: float = 0.0
    shutdown: float = 0.0
    consume_every: float = 1.0
    cpu_per_request: float = 0.001
    exec_fails: bool = False
    log_line: str = ""
    turns: float = 0.0

    @property
    def ending(self) -> str:
        """What a container runtime calls an end with an error."""
        return "OOMKilled" if self.role is Role.OOM else "Error"

    @property
    def serves(self) -> bool:
        return self.role is not Role.CONSUMER


def tag_of(image: str) -> str:
    """The tag of an image reference; empty where it has none (a port of the registry is no tag)."""
    name = image.partition("@")[0]
    last = name.rpartition("/")[2]
    return last.partition(":")[2]


def missing(image: str, annotations: Mapping[str, str]) -> bool:
    """Whether the image is one that no registry has."""
    return bool(_MISSING.search(tag_of(image))) or annotations.get("image-missing") == "true"


def pull_error(image: str, annotations: Mapping[str, str]) -> str:
    """Why an image cannot be pulled; empty where it can."""
    said = annotations.get("pull-error", "") or (f"{image}: not found" if missing(image, annotations) else "")
    return f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": {said}' if said else ""


def environment_parameters(env: Mapping[str, str]) -> dict[str, str]:
    """SANDBOX_ERROR_RATE=30 is the parameter error-rate: so a ConfigMap alone can change how a pod behaves."""
    names = {key: key.removeprefix(ENVIRONMENT).lower().replace("_", "-") for key in env if key.startswith(ENVIRONMENT)}
    return {name: env[key] for key, name in names.items()}


def behaviour(image: str, parameters: Mapping[str, str], *, ends: bool = False, init: bool = False) -> Behaviour:
    """What a container does: parameters (see `Behaviour`; names with dashes) over the image's tag.

    ends: the container is not to run for ever (a Job's, an init container).
    It exits in good order then, whatever the image serves elsewhere, unless it is told otherwise.
    A value that cannot be read counts as absent.
    """
    tagged = _TAG.search(tag_of(image))
    role = _role(parameters.get("role"), tagged[1] if tagged else None, ends=ends)
    given = dict(parameters)
    if tagged and tagged[2] and Role(tagged[1]) is role and role in _TAG_NUMBER:
        given.setdefault(_TAG_NUMBER[role], tagged[2])
    return _build(role, given, init=init)


def _role(asked: str | None, tagged: str | None, *, ends: bool) -> Role:
    known = {role.value: role for role in Role}
    if asked in known:
        return known[asked]
    role = known.get(tagged or "", Role.EXIT if ends else Role.GOOD)
    return Role.EXIT if ends and role not in (Role.CRASH, Role.OOM) else role


def _build(role: Role, given: Mapping[str, str], *, init: bool) -> Behaviour:
    rate = _read(given, "error-rate", lambda text: min(100.0, max(0.0, float(text.rstrip("%")))) / 100)
    ends = seconds(given, "exit-after")
    if ends is None and role in (Role.EXIT, Role.CRASH, Role.OOM):
        ends = 0.0 if init else 0.5
    code = _read(given, "exit-code", lambda text: int(text) & 255)
    requests = _read(given, "cold-requests", int)
    cold = seconds(given, "cold-seconds")
    return Behaviour(
        role=role,
        error_rate=1.0 if rate is None else rate,
        latency=seconds(given, "latency") or 0.0,
        cold_seconds=(8.0 if not requests else 0.0) if cold is None else cold,
        cold_requests=max(0, requests or 0),
        cold_latency=_first(seconds(given, "cold-latency"), 1.0),
        exit_after=ends,
        exit_code=_CODES.get(role, 0) if code is None else code,
        ready_after=seconds(given, "ready-after") or 0.0,
        shutdown=seconds(given, "shutdown-seconds") or 0.0,
        consume_every=max(0.05, _first(seconds(given, "consume-every"), 1.0)),
        cpu_per_request=_first(seconds(given, "cpu-per-request"), 0.001),
        exec_fails=given.get("exec") in ("fail", "failure", "false"),
        log_line=given.get("log-line", ""),
        turns=seconds(given, "turns") or 0.0,
    )


def _first(value: float | None, default: float) -> float:
    return default if value is None else value


def _read(given: Mapping[str, str], name: str, parse: Callable[[str], T]) -> T | None:
    try:
        return parse(given[name])
    except (KeyError, ValueError):
        return None


def seconds(given: Mapping[str, str], name: str) -> float | None:
    """A duration, with a unit (250ms) or in seconds (2, 0.5)."""
    text = given.get(name, "")
    bare = re.fullmatch(r"\d{1,7}(\.\d{1,6})?", text)
    value = float(text) if bare else _read(given, name, duration)
    return value if value is not None and value >= 0 else None
