"""The notifiers of a policy: which types there are, what each is told, and where its secret comes from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from helm_safe.model.queries import Mistakes

MOST = 10  # notifiers of one policy: each has a thread of its own while a run goes on
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
_PLACES = {
    "env": (re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}"), "the name of a variable of the environment"),
    "file": (re.compile(r"[^\x00-\x1f]{1,1000}"), "a path of a file"),
    "ref": (re.compile(r"secret/[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?#[-._a-zA-Z0-9]{1,253}"), "secret/NAME#KEY"),
}
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,62}")


class Shape(NamedTuple):
    """What a type takes besides name and type. secret: what it is, for people, "" where there is none."""

    secret: str = ""
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


SHAPES = {
    "pagerduty": Shape("the routing key of an Events API v2 integration", takes=("url",)),
    "slack": Shape("the bot token", needs=("channel",), takes=("url",)),
    "slack-webhook": Shape("the address of the webhook"),
    "teams": Shape("the address of the workflow"),
    "opsgenie": Shape("the API key", takes=("url", "team")),
    "alertmanager": Shape("the bearer token, if there is one", needs=("urls",), takes=("labels",)),
    "grafana": Shape("the token of a service account", needs=("url",), takes=("tags",)),
    "webhook": Shape("the key of the signature", needs=("url",)),
    "stdout": Shape(),
}
"""The types; the package `notifiers` has an adapter for each."""
UNPROTECTED = ("alertmanager",)
"""Types that need no secret."""


def read_notifiers(value: Any) -> tuple[dict[str, Any], ...]:
    """The list of the policy file, as plain JSON. Raises Mistakes; no message repeats what may be a secret."""
    if not isinstance(value, (list, tuple)) or len(value) > MOST:
        raise Mistakes(f": a list of at most {MOST} notifiers is expected")
    problems: list[str] = []
    for number, entry in enumerate(value):
        problems += [f"[{number}]{words}" for words in _wrong(entry)]
    names = [each.get("name") for each in value if isinstance(each, dict)]
    twice = dict.fromkeys(name for name in names if isinstance(name, str) and names.count(name) > 1)
    problems += [f": two notifiers are named {name!r}" for name in twice if _NAME.fullmatch(name)]
    if problems:
        raise Mistakes(*problems)
    return tuple({key: entry[key] for key in entry} for entry in value)


def _wrong(entry: Any) -> Iterator[str]:
    """What is wrong with one notifier."""
    if not isinstance(entry, dict):
        yield ": a mapping with name and type is expected"
        return
    name, kind = entry.get("name"), entry.get("type")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield ".name: lower-case letters, digits and '-' are expected, at most 40"
    if not isinstance(kind, str) or kind not in SHAPES:
        yield f".type: {_unknown(kind)}"
        return
    yield from _fields(kind, SHAPES[kind], entry)


def _unknown(kind: Any) -> str:
    near = get_close_matches(str(kind), SHAPES, n=1, cutoff=0.6)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f"one of {', '.join(SHAPES)} is expected{hint}"


def _fields(kind: str, shape: Shape, entry: Mapping[str, Any]) -> Iterator[str]:
    known = ("name", "type", *shape.needs, *shape.takes, *(("secret",) if shape.secret else ()))
    for key in entry:
        if key not in known:
            shown = str(key)[:40] if str(key).isidentifier() else "a key"
            yield f".{shown} is not known for {kind} (known: {', '.join(known)})"
    for key in (*shape.needs, *shape.takes):
        if key in entry and not _USABLE[key][0](entry[key]):
            yield f".{key}: {_USABLE[key][1]} is expected"
        elif key in shape.needs and key not in entry:
            yield f".{key} is missing: {_USABLE[key][1]}"
    if "secret" in entry:
        yield from _secret(entry["secret"])
    elif shape.secret and kind not in UNPROTECTED:
        yield f".secret is missing: where {shape.secret} comes from, such as {{env: NAME}}"


def _secret(value: Any) -> Iterator[str]:
    if not isinstance(value, dict) or len(value) != 1 or not set(value) <= set(_PLACES):
        yield (
            ".secret: one of {env: NAME}, {file: PATH} and {ref: secret/NAME#KEY} is expected; the secret itself never "
            "stands in a policy"
        )
        return
    for place, found in value.items():
        pattern, what = _PLACES[place]
        if not isinstance(found, str) or not pattern.fullmatch(found):
            yield f".secret.{place}: {what} is expected"


def address(value: Any) -> bool:
    """Whether it is an http(s) address without a password, a query or a fragment."""
    if not isinstance(value, str) or len(value) > 2000 or not re.fullmatch(r"https?://[^\s@?#]+", value):
        return False
    try:
        parts = urlsplit(value)
        return bool(parts.hostname) and parts.port != 0 and value.isprintable()
    except ValueError:
        return False


def _words(value: Any, most: int) -> bool:
    return isinstance(value, str) and bool(value.strip()) and len(value) <= most and value.isprintable()


def _addresses(value: Any) -> bool:
    return isinstance(value, list) and 0 < len(value) <= 10 and all(address(each) for each in value)


def _labels(value: Any) -> bool:
    if not isinstance(value, dict) or len(value) > 20:
        return False
    return all(_LABEL.fullmatch(str(key)) and _words(each, 200) for key, each in value.items())


def _tags(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 20 and all(_words(each, 100) for each in value)


_USABLE: dict[str, tuple[Callable[[Any], bool], str]] = {
    "url": (address, "an address such as https://hooks.example/path, without a password"),
    "urls": (_addresses, "a list of the addresses of all its replicas, such as http://alertmanager-0:9093"),
    "channel": (
        lambda each: isinstance(each, str) and bool(re.fullmatch(r"[#A-Za-z0-9][-\w.]{0,80}", each)),
        "a channel, such as C0123456789 or #incidents",
    ),
    "team": (lambda each: _words(each, 100), "the name of a team"),
    "labels": (_labels, "a mapping of at most 20 labels"),
    "tags": (_tags, "a list of at most 20 tags"),
}
