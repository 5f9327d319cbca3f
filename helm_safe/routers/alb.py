"""AWS Load Balancer Controller: the weights in the JSON of `alb.ingress.kubernetes.io/actions.NAME`.

An action of type forward names its target groups by Service; weights are 0 to 999. Keys may begin with a small or a
capital letter, and keep what they have. Whether the balancer follows is known only to the AWS API.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Any

from helm_safe.core.objects import Object, annotations_of, dig, mapping, sequence
from helm_safe.model.routes import Around
from helm_safe.routers.ingresses import INGRESS, INGRESS_CLASS, of_controller
from helm_safe.routers.weighted import NOWHERE, Entry, Format, Place, Rule, WeightedRouter, number

PREFIX = "alb.ingress.kubernetes.io/"
ACTIONS = PREFIX + "actions."
USE_ANNOTATION = "use-annotation"


def _rules(route: Object) -> Iterator[Rule]:
    for key, text in sorted(annotations_of(route).items()):
        if key.startswith(ACTIONS):
            groups = [_lowered(mapping(each)) for each in _groups(_parsed(text))]
            if groups:
                yield Rule(("metadata", "annotations", key), f"the action {key[len(ACTIONS) :]}", groups)


def _parsed(text: Any) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        return mapping(json.loads(str(text)))
    return {}


def _groups(action: dict[str, Any]) -> list[Any]:
    return sequence(_either(_either(action, "forwardConfig"), "targetGroups"))


def _either(body: Any, key: str) -> Any:
    """What stands under the key, written either way."""
    return mapping(body).get(key, mapping(body).get(_capital(key)))


def _capital(key: str) -> str:
    return key[:1].upper() + key[1:]


def _lowered(entry: dict[str, Any]) -> Entry:
    return {key[:1].lower() + key[1:] if key[:2] != "AR" else key: value for key, value in entry.items()}


def _backend(entry: Entry, own: str) -> Place:
    return (own, str(entry["serviceName"])) if entry.get("serviceName") else NOWHERE


def _counts(entries: Sequence[Entry]) -> list[Fraction]:
    return [Fraction(number(_as_number(entry.get("weight")), 1)) for entry in entries]


def _as_number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _hold(text: Any, entries: list[Entry]) -> Any:
    """The same JSON with these target groups, its keys written as before."""
    action = _parsed(text)
    outer = "forwardConfig" if "forwardConfig" in action else "ForwardConfig"
    inner = "targetGroups" if "targetGroups" in action[outer] else "TargetGroups"
    capital = any(key[:1].isupper() for each in action[outer][inner] for key in each)
    groups = [{_capital(key): value for key, value in each.items()} if capital else each for each in entries]
    return json.dumps({**action, outer: {**action[outer], inner: groups}}, separators=(",", ":"))


def _broken(route: Object) -> Iterator[str]:
    for key, text in sorted(annotations_of(route).items()):
        if key.startswith(ACTIONS) and not _parsed(text):
            yield f"its annotation {key} is no JSON object"


def _fixed(route: Object, service: str, _around: Around) -> Iterator[str]:
    """Paths that name the Service itself: only an action can share their requests."""
    if service in _plain_services(route):
        yield (
            f"a path names Service {service} itself; an action with target groups ({ACTIONS}{service}), and the port"
            f" name {USE_ANNOTATION} in the path, let its users be shared"
        )


def _plain_services(route: Object) -> set[str]:
    paths = [path for rule in sequence(route, "spec", "rules") for path in sequence(rule, "http", "paths")]
    backends = [mapping(path, "backend", "service") for path in paths]
    return {str(each.get("name")) for each in backends if dig(each, "port", "name") != USE_ANNOTATION}


class AlbRouter(WeightedRouter):
    """Knows also the Services that a path or an unreadable action names, so that they are not overlooked."""

    def services(self, route: Object, around: Around = Around(), namespace: str = "") -> set[str]:  # noqa: B008 - frozen
        found = super().services(route, around, namespace)
        own = not namespace or namespace == dig(route, "metadata", "namespace")
        return found | (_plain_services(route) | _guessed(route) if own else set())


def _guessed(route: Object) -> set[str]:
    texts = [str(text) for key, text in annotations_of(route).items() if key.startswith(ACTIONS) and not _parsed(text)]
    return {name for text in texts for name in re.findall(r'"[sS]erviceName"\s*:\s*"([^"]+)"', text)}


ROUTER = AlbRouter(
    Format(
        "alb",
        INGRESS,
        rules=_rules,
        backend=_backend,
        pointed=lambda entry, backend: {**entry, "serviceName": backend},
        counts=_counts,
        most=999,
        hold=_hold,
        mine=of_controller("ingress.k8s.aws/alb", "alb", PREFIX),
        told=_broken,
        crooked=_fixed,
        needs=(INGRESS_CLASS,),
    )
)
