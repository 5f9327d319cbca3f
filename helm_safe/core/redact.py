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
from typing import Any
from urllib.parse import quote

from helm_safe.core.objects import Object, mapping
from helm_safe.core.shapes import KEYWORD, MASK, RULES

MAX_LINE = 2048
"""Characters kept of one line."""
SHORTEST_LITERAL = 6
"""Known secret values shorter than this are not searched for: they would blank out ordinary words."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_TELLING_NAME = (
    r"(?i)pass|pwd|secret|token|key|credential|dsn|conn|url|uri|auth|cookie|session|salt|otp|signature|license"
)
_URL_NAME = r"(?i)dsn|conn|url|uri"
_TELLING_KEY = (
    r"(?i)pass(?:w(?:or)?d|phrase)?\b|pwd|secret|token|credential|(?:api|access)[._-]?key|private[._-]?key$|cookie|dsn$"
)
"""Keys of annotations and of data whose values are masked whole."""
_TELLING_FLAG = (
    r"(?i)--?[\w-]{0,40}(?:password|passwd|passphrase|pwd|secret|token|api-?key|access-?key|credentials?)[\w-]{0,40}"
)
_FREE = frozenset({"annotations", "data", "stringData", "binaryData"})
"""Mappings whose keys people choose."""
_KEY_BLOCK = r"PRIVATE KEY(?: BLOCK)?-----"
_PRIVATE_KEY = rf"-----BEGIN [A-Z ]{{0,40}}{_KEY_BLOCK}[\s\S]*?(?:-----END [A-Z ]{{0,40}}{_KEY_BLOCK}|\Z)"
_KEY_END = rf"-----END [A-Z ]{{0,40}}{_KEY_BLOCK}"
_KEY_LINE = r"(?:^|\s)(?=[^\s]*[G-Zg-z+/])[A-Za-z0-9+/]{64}\s*$"
"""A line of a key whose beginning was cut off: a digest has 64 digits too, but no other letters."""
_KEY_REST = r"(?:^|\s)[A-Za-z0-9+/=]{4,120}\s*$"
_BLOCK = rf"(?i)^(\s*)[^\n]{{0,200}}{KEYWORD}\s{{0,4}}:\s{{0,4}}[|>][+-]?\d?\s*$"
_ROW = r"Failing row contains ?\("
_ROW_ENDS = r"\)[.\"']{0,3}\s*$"
MAX_ROW = 100
"""Lines that a row may go on for."""


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
    lines = text.split("\n")
    if len(lines) > 1:
        lines = list(_without_blocks(_without_key_rests(lines)))
    return "\n".join(map(_redact_line, lines))


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


def _without_key_rests(lines: list[str]) -> list[str]:
    """Masks the lines of a private key whose beginning is not there: those in front of its end."""
    inside = False
    for index in range(len(lines) - 1, -1, -1):
        line = lines[index][:MAX_LINE]
        if _compiled(_KEY_END).search(line):
            lines[index], inside = "***PRIVATE KEY***", True
        elif inside and _compiled(_KEY_REST).search(line):
            lines[index] = MASK
        else:
            inside = False
    return lines


def _without_blocks(lines: list[str]) -> Iterable[str]:
    """Masks what goes on over several lines: a row that a database quotes, a YAML block below a telling key."""
    row, indent = 0, -1
    for line in lines:
        short = line[:MAX_LINE]
        if row:
            row = 0 if _compiled(_ROW_ENDS).search(short) else row - 1
            yield MASK
            continue
        if indent >= 0 and short.strip() and len(short) - len(short.lstrip()) > indent:
            yield MASK
            continue
        block = (
            _compiled(_BLOCK).search(short) if short.rstrip()[-3:].strip("+-0123456789 ")[-1:] in ("|", ">") else None
        )
        indent = len(block[1]) if block else -1
        if "Failing row contains" in short and not _compiled(_ROW_ENDS).search(short):
            row = MAX_ROW
        yield line


def _redact_line(line: str) -> str:
    cut = len(line) > MAX_LINE
    line = line[:MAX_LINE]
    if "Failing row contains" in line:
        line = _compiled(rf"{_ROW}[^\n]*").sub("***ROW***", line)
    if len(line) >= 64 and _compiled(_KEY_LINE).search(line):
        line = f"{line[: -len(line.split()[-1])]}{MASK}"
    lowered = line.lower()
    for rule in RULES:
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
        return _redact_mapping(name, value)
    if isinstance(value, list):
        return [_redact_value(name, each) for each in _without_flag_values(value)]
    return redact(value) if isinstance(value, str) else value


def _redact_mapping(name: str, value: dict[str, Any]) -> Object:
    if value.get("kind") == "Secret" and name:
        value = _without_echoes(value)
        _replace_values(value, digits=8)
    if isinstance(value.get("name"), str) and isinstance(value.get("value"), str):
        value = {**value, "value": _env_value(value["name"], value["value"])}
    shown = {}
    for key, item in value.items():
        if key in (LAST_APPLIED, "managedFields"):
            continue
        telling = name in _FREE and isinstance(item, str) and _compiled(_TELLING_KEY).search(str(key))
        shown[key] = _known_hash(item) if telling else _redact_value(str(key), item)
    return shown


def _known_hash(value: str) -> str:
    """What stands for the value of a Secret stays."""
    return value if value.startswith("sha256:") else MASK


def _without_flag_values(values: list[Any]) -> list[Any]:
    """Arguments in which the value of --password, or that of curl's --user, is a word of its own."""
    found, before = [], ""
    for each in values:
        word = each if isinstance(each, str) else ""
        telling = _compiled(_TELLING_FLAG).fullmatch(before) and not word.startswith("-")
        user = before in ("-u", "--user") and ":" in word
        found.append(MASK if word and (telling or user) else each)
        before = word
    return found


def _env_value(name: str, value: str) -> str:
    """Addresses keep their host, which a person needs; everything else with a telling name is masked whole."""
    if not _compiled(_TELLING_NAME).search(name):
        return value
    shown = redact(value)
    return shown if _compiled(_URL_NAME).search(name) and "://" in shown else MASK
