"""What kubelet, scheduler and controllers say in events and states, read: each message's cause and subject. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple


class Said(NamedTuple):
    """cause: of model.causes, "" for none. subject: what it is about."""

    cause: str
    subject: str


_LONGEST = 4096
# The first row that fits counts. groups are the subject: they are filled into the third column.
_RULES: tuple[tuple[str, str, str], ...] = (
    (r"(?i)exceeded quota: (?P<a>[\w.-]+)", "quota", "{a}"),
    (r"(?i)failed quota: (?P<a>[\w.-]+)", "quota", "{a}"),
    (r'admission webhook "(?P<a>[^"]+)" denied the request:? ?(?P<b>[^\n]{0,200})', "denied", "{a}: {b}"),
    (r"(?i)ValidatingAdmissionPolicy '(?P<a>[^']+)' [^\n]{0,120}denied request:? ?(?P<b>[^\n]{0,200})", "denied", "{a}: {b}"),
    (r'(?i)failed calling webhook "(?P<a>[^"]+)"', "webhook-down", "{a}"),
    (r'violates PodSecurity "(?P<a>[^"]+)":? ?(?P<b>[^\n]{0,160})', "denied", "PodSecurity {a}: {b}"),
    (r'(?i)serviceaccount "(?P<a>[^"]+)" not found', "missing-object", "ServiceAccount/{a}"),
    (r"(?i)couldn't find key (?P<a>\S+) in secret [\w.-]+/(?P<b>[\w.-]+)", "missing-key", "key {a} of Secret/{b}"),
    (r"(?i)couldn't find key (?P<a>\S+) in configmap [\w.-]+/(?P<b>[\w.-]+)", "missing-key", "key {a} of ConfigMap/{b}"),
    (r"(?i)references non-existent (?:config|secret) key: (?P<a>[\w.-]+)", "missing-key", "key {a}"),
    (r'(?i)\bsecrets? "(?P<a>[^"]+)" not found', "missing-object", "Secret/{a}"),
    (r'(?i)\bconfigmaps? "(?P<a>[^"]+)" not found', "missing-object", "ConfigMap/{a}"),
    (r'(?i)persistentvolumeclaim "(?P<a>[^"]+)" not found', "missing-object", "PersistentVolumeClaim/{a}"),
    (r"(?i)unbound immediate PersistentVolumeClaims", "claim-pending", ""),
    (r"(?i)Multi-Attach error for volume", "volume-held", ""),
    (r"(?i)no space left on device|disk quota exceeded", "disk-full", ""),
    (r"untolerated taint \{node\.kubernetes\.io/(?P<a>(?:disk|memory|pid)-pressure|not-ready|unreachable|unschedulable)", "node", "{a}"),
    (r"(?i)the node was low on resource: ?(?P<a>[\w-]+)", "node", "{a}"),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), cause, subject) for pattern, cause, subject in _RULES)
# Where no rule fits, the reason of the event says it.
_REASONS = {
    "FailedScheduling": "no-room",
    "FailedMount": "volume",
    "FailedAttachVolume": "volume",
    "FailedMapVolume": "volume",
    "ProvisioningFailed": "claim-pending",
    "FailedBinding": "claim-pending",
    "Evicted": "node",
    "Preempted": "node",
    "NodeNotReady": "node",
    "TaintManagerEviction": "node",
    "FailedCreatePodSandBox": "node",
    "NetworkNotReady": "node",
    "BackoffLimitExceeded": "hook",
    "DeadlineExceeded": "hook",
    "FailedPostStartHook": "not-started",
}
_FORBIDDEN = re.compile(r"(?i)is forbidden: ?([^\n]{0,200})|is invalid: ?([^\n]{0,200})")
_PULL = re.compile(r'(?i)(?:failed to pull|back-off pulling|failed to pull and unpack) image "([^"]+)"')
_REGISTRY = re.compile(
    r"(?i)toomanyrequests|too many requests|rate limit|i/o timeout|connection refused|connection reset|no such host"
    r"|context deadline exceeded|TLS handshake|x509:|server misbehaving|dial tcp|temporarily unavailable|\bEOF\b"
    r"|unexpected status[^\n]{0,60}\b5\d\d\b|\b50[0234]\b (?:internal|bad|service|gateway)|network is unreachable"
)
_REFUSED = re.compile(
    r"(?i)pull access denied|unauthorized|authentication required|authorization failed|no basic auth|\b40[13]\b|\bdenied\b|forbidden"
)
_ABSENT = re.compile(
    r"(?i)not found|manifest unknown|notfound|does not exist|name unknown|no such image|not present with pull policy"
)
_PLATFORM = re.compile(r"(?i)no match for platform|no matching manifest|exec format error")


def image_cause(message: str) -> str:
    """Why an image could not be had; "" where the message does not say."""
    text = message[:_LONGEST]
    if _PLATFORM.search(text):
        return "wrong-architecture"
    if _REGISTRY.search(text):
        return "registry-down"
    if _REFUSED.search(text):
        return "image-denied"
    return "image-missing" if _ABSENT.search(text) else ""


def read(message: str, reason: str) -> Said:
    """The cause that an event or a condition tells, by its message or else by its reason; ("", "") where none."""
    text = message[:_LONGEST]
    pull = _PULL.search(text)
    if pull:
        return Said(image_cause(text), pull[1])
    if reason in ("Pulling", "Pulled", "Scheduled", "Created", "Started", "Unhealthy", "Killing", "BackOff"):
        return Said("", "")
    for pattern, cause, subject in _COMPILED:
        met = pattern.search(text)
        if met:
            return Said(cause, subject.format(**{key: (value or "").strip() for key, value in met.groupdict().items()}))
    if reason in ("FailedCreate", "ReplicaSetCreateError", "FailedUpdate"):
        refused = _FORBIDDEN.search(text)
        return Said("denied", (refused[1] or refused[2] or "").strip()) if refused else Said("not-started", "")
    if reason == "Failed" and "Error: " in text:
        found = read_start(text)
        return found if found.cause != "not-started" else Said("", "")
    return Said(_REASONS.get(reason, ""), "")


_NOT_EXECUTABLE = re.compile(
    r'(?i)exec: "(?P<a>[^"]{1,120})"|executable file not found|no such file or directory|(?:exec|stat)[^\n]{0,120}permission denied'
)


def read_start(message: str) -> Said:
    """Why a container could not be made or started."""
    text = message[:_LONGEST]
    if _PLATFORM.search(text):
        return Said("wrong-architecture", "")
    for pattern, cause, subject in _COMPILED:
        met = pattern.search(text)
        if met:
            return Said(cause, subject.format(**{key: (value or "").strip() for key, value in met.groupdict().items()}))
    if re.search(r"(?i)runAsNonRoot|runAsUser breaks|non-numeric user", text):
        return Said("permission", "")
    program = _NOT_EXECUTABLE.search(text)
    if program:
        return Said("command", program["a"] or "")
    return Said("not-started", "")
