"""Taking secrets out of text and objects before they leave memory.

Applied to everything that is shown, stored or sent: logs, events, diffs, answers of the API server, reports, incident
payloads. Patterns are bounded on purpose: each looks at a limited stretch of one bounded line, so that a hostile
megabyte costs no more than a friendly one.
"""

from __future__ import annotations

import base64
import binascii
import copy
import functools
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from helm_safe.core.objects import Object, mapping

MAX_LINE = 2048
"""Characters kept of one line."""
SHORTEST_LITERAL = 6
"""Known secret values shorter than this are not searched for: they would blank out ordinary words."""
MASK = "***"

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_TELLING_NAME = r"(?i)pass|pwd|secret|token|key|credential|dsn|conn|url|uri|auth"
_URL_NAME = r"(?i)dsn|conn|url|uri"
_KEPT = r"(?!\*{3}(?:[\s,;&}\"'\\]|$))"
_KEYWORD = (
    r"(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?"
    r"|sharedaccesskey|accountkey|authorization|user id)(?:[_-][\w-]{0,40})?"
)


class _Rule(NamedTuple):
    """A pattern, tried only on lines that hold one of the (lower-case) needles: most lines hold none."""

    needles: tuple[str, ...]
    pattern: str
    replacement: str


_PRIVATE_KEY = r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)"
_RULES = (
    _Rule(("://",), r"(?i)\b([a-z][a-z0-9+.-]{0,20}://)[^\s:/@]{0,256}:[^\s@]{1,1024}@", r"\1***:***@"),
    _Rule(("hooks.slack",), r"(?i)https://hooks\.slack\.com/services/\S+", "https://hooks.slack.com/services/***"),
    _Rule(("bearer", "basic"), r"(?i)\b(bearer|basic)\s{1,4}[A-Za-z0-9._~+/=-]{8,}", r"\1 ***"),
    _Rule(("eyj",), r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*", "***JWT***"),
    _Rule(("akia", "asia"), r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", "***AWS_KEY_ID***"),
    _Rule(
        ("gh", "glpat-", "xox", "sk_live_"),
        r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}"
        r"|sk_live_[A-Za-z0-9]{10,})",
        "***TOKEN***",
    ),
    _Rule(
        ("pass", "pwd", "secret", "token", "key", "credential", "authorization", "user id"),
        # A quote that is never closed hides the rest of the line: the closing one may have been cut off.
        rf"(?i)({_KEYWORD}\\?[\"']?\s{{0,8}}[:=]\s{{0,8}}){_KEPT}"
        r"(?:\\\"(?:(?!\\\")[\s\S])*(?:\\\"|$)|\"[^\"]*(?:\"|$)|'[^']*(?:'|$)|[^\s,;&}\"']+)",
        r"\1***",
    ),
    _Rule(("uid=",), rf"(?i)\b(uid=){_KEPT}[^\s,;&}}\"']+", r"\1***"),
    _Rule(("failing row", "key ("), r"(?:Failing row contains|Key \([^)]{0,200}\)=) ?\(.*\)", "***ROW***"),
    _Rule(("@",), r"\b[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,24}\b", "***EMAIL***"),
)


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compiled when first needed: start-up is a budget."""
    return re.compile(pattern)


def redact(text: str, literals: Mapping[str, str] | None = None) -> str:
    """The text with anything that looks like a secret masked, lines cut at MAX_LINE characters.

    `literals` maps known secret values to the names shown in their place; they are found as they are, in base64 and
    URL-encoded. Applying it twice changes nothing more.
    """
    for value, name in spellings(literals or {}):
        text = text.replace(value, f"***{name}***")
    if "PRIVATE KEY" in text:
        text = _compiled(_PRIVATE_KEY).sub("***PRIVATE KEY***", text)
    return "\n".join(_redact_line(line) for line in text.split("\n"))


def redact_object(obj: Mapping[str, Any]) -> Object:
    """A copy that may be shown: values of Secrets as "sha256:" and eight digits, suspicious strings masked.

    Drops managedFields and the last-applied configuration, which repeat the whole object.
    """
    shown = _without_echoes(obj)
    if shown.get("kind") == "Secret":
        _replace_values(shown, digits=8)
    redacted: Object = _redact_value("", shown)
    return redacted


def hash_secret(obj: Mapping[str, Any]) -> Object:
    """A copy of a Secret fit for comparison: every value, in `data`, as "sha256:" and 64 digits of its decoded bytes.

    Objects of other kinds come back as they are.
    """
    if obj.get("kind") != "Secret":
        return dict(obj)
    hashed = _without_echoes(obj, managed_fields=False)
    _replace_values(hashed, digits=64)
    return hashed


def secret_literals(obj: Mapping[str, Any]) -> dict[str, str]:
    """Values of a Secret and the names to show for them, for `redact`."""
    name = str(mapping(obj, "metadata").get("name") or "secret")
    literals = {}
    for section in ("data", "stringData"):
        for key, value in mapping(obj, section).items():
            # A value of the wrong shape is quoted whole by the API server: every text inside it counts.
            for text in _texts(value):
                for spelling in (text, _decoded(text).decode("utf-8", "replace")):
                    literals[spelling] = f"secret/{name}/{key}"
    return literals


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [] if value is None else [str(value)]


def spellings(literals: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Every spelling of every literal, longest first, so that no value is left half masked by a shorter one."""
    forms = {}
    for value, name in literals.items():
        if len(value) < SHORTEST_LITERAL:
            continue
        encoded = base64.b64encode(value.encode("utf-8", "surrogateescape")).decode()
        for form in (value, encoded, encoded.rstrip("="), quote(value, safe="", errors="replace")):
            forms[form] = name
    return sorted(forms.items(), key=lambda pair: -len(pair[0]))


def _redact_line(line: str) -> str:
    cut = len(line) > MAX_LINE
    line = line[:MAX_LINE]
    lowered = line.lower()
    for rule in _RULES:
        if any(needle in lowered for needle in rule.needles):
            line = _compiled(rule.pattern).sub(rule.replacement, line)
    return f"{line}…" if cut else line


def _without_echoes(obj: Mapping[str, Any], *, managed_fields: bool = True) -> Object:
    shown = copy.deepcopy(dict(obj))
    metadata = mapping(shown, "metadata")
    if managed_fields:
        metadata.pop("managedFields", None)
    annotations = mapping(metadata, "annotations")
    if LAST_APPLIED in annotations:
        del annotations[LAST_APPLIED]
    return shown


def _replace_values(secret: Object, digits: int) -> None:
    values = _values(secret)
    secret.pop("stringData", None)
    if values or "data" in secret:
        secret["data"] = {key: f"sha256:{hashlib.sha256(value).hexdigest()[:digits]}" for key, value in values.items()}


def _values(secret: Mapping[str, Any]) -> dict[str, bytes]:
    """Decoded bytes per key; stringData wins over data, as in the API server."""
    values = {str(key): _decoded(value) for key, value in mapping(secret, "data").items()}
    values |= {str(key): str(value).encode("utf-8", "replace") for key, value in mapping(secret, "stringData").items()}
    return values


def _decoded(value: Any) -> bytes:
    text = "" if value is None else str(value)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text.encode("utf-8", "replace")


def _redact_value(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        if isinstance(value.get("name"), str) and isinstance(value.get("value"), str):
            value = {**value, "value": _env_value(value["name"], value["value"])}
        return {key: _redact_value(str(key), item) for key, item in value.items()}
    if isinstance(value, list):
        return [_redact_value(name, item) for item in value]
    return redact(value) if isinstance(value, str) else value


def _env_value(name: str, value: str) -> str:
    """Addresses keep their host, which a person needs; everything else with a telling name is masked whole."""
    if not _compiled(_TELLING_NAME).search(name):
        return value
    shown = redact(value)
    return shown if _compiled(_URL_NAME).search(name) and "://" in shown else MASK
