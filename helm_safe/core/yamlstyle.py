"""Values as YAML in the style of kubectl and Kustomize, for what is spliced into a text; no string is ambiguous."""

from __future__ import annotations

import re
from typing import Any

from helm_safe.core.yamlio import YamlError, plain

_BARE = re.compile(
    r"[A-Za-z_/](?:[\w./:@+-]*[\w./@+-])?|[0-9]+(?:,[0-9]+)+|[0-9]+(?:\.[0-9]+)?(?:%|s|m|h|ms)", re.ASCII
)
_KEY = re.compile(r"[A-Za-z_/][\w./@+-]*", re.ASCII)
_OLD_BOOLEANS = {"y", "Y", "n", "N", "nan", "inf"}
_UNSEEN = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")  # JSON takes these as they are, YAML does not
_LITERAL = re.compile(r"[!\"$-~](?:[ -~\n]*[!-~])?\n?")


def block(value: Any) -> list[str]:
    """The lines of a mapping or list in block style, without indentation. Raises YamlError for what YAML has not."""
    if isinstance(value, dict):
        return [line for key, item in value.items() for line in _entry(f"{word(key, _KEY)}:", item, deeper="  ")]
    return [line for item in value for line in _item(item)]


def pairs(value: dict[str, Any], *, bare: bool) -> str:
    """The inside of a mapping in flow style. bare: words may go without quotes, as the text around them does."""
    return ", ".join(f"{_flow_word(key, bare=bare)}: {flow(item, bare=bare)}" for key, item in value.items())


def flow(value: Any, *, bare: bool) -> str:
    """A value in flow style; with `bare` false it is JSON."""
    if isinstance(value, dict):
        return f"{{{pairs(value, bare=bare)}}}"
    if isinstance(value, list):
        return f"[{', '.join(flow(item, bare=bare) for item in value)}]"
    return _flow_word(value, bare=bare)


def word(value: Any, pattern: re.Pattern[str] = _BARE) -> str:
    """A scalar: bare where nobody can take it for something else, otherwise as JSON has it."""
    if isinstance(value, str) and pattern.fullmatch(value) and plain(value) == value and value not in _OLD_BOOLEANS:
        return value
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    import json  # start-up is a budget

    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise YamlError(f"cannot be written: {error}") from None
    return _UNSEEN.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def _flow_word(value: Any, *, bare: bool) -> str:
    return word(value, _KEY if bare else _NEVER)


_NEVER = re.compile(r"(?!)")


def _entry(head: str, value: Any, deeper: str) -> list[str]:
    """A key, or the dash of an item, and its value; `deeper`: the indentation of what is below."""
    if isinstance(value, dict) and value:
        return [head, *(deeper + line for line in block(value))]
    if isinstance(value, list) and value:
        return [head, *block(value)]
    if isinstance(value, str) and "\n" in value and _LITERAL.fullmatch(value):
        lines = value.removesuffix("\n").split("\n")
        return [f"{head} |{'' if value.endswith(chr(10)) else '-'}", *(deeper + line if line else "" for line in lines)]
    return [f"{head} {flow(value, bare=False) if value in ({}, []) else word(value)}"]


def _item(value: Any) -> list[str]:
    if isinstance(value, (dict, list)) and value:
        first, *rest = block(value)
        return [f"- {first}", *(f"  {line}" if line else line for line in rest)]
    return _entry("-", value, deeper="  ")
