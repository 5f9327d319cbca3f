"""Kuma MeshHTTPRoute and MeshTCPRoute: the weights of `spec.to[].rules[].default.backendRefs[]`.

A MeshService is named as its Service, or as older Kuma calls it: api_shop_svc_80 for port 80 of Service api in shop.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from helm_safe.core.objects import Object, mapping, sequence
from helm_safe.routers.weighted import NOWHERE, Entry, Format, Place, Rule, WeightedRouter, all_pinned, stated

_OLD = re.compile(r"(?P<service>[^_]+)_(?P<namespace>[^_]+)_svc_(?P<port>\d+)")


def _rules(route: Object) -> Iterator[Rule]:
    for at, target in enumerate(sequence(route, "spec", "to")):
        for index, rule in enumerate(sequence(target, "rules")):
            refs = sequence(rule, "default", "backendRefs")
            if refs:
                path = ("spec", "to", at, "rules", index, "default", "backendRefs")
                pinned = all_pinned(sequence(rule, "matches"), lambda match: bool(sequence(match, "headers")))
                yield Rule(path, f"rule {index} of target {at}", list(map(mapping, refs)), pinned)


def _backend(entry: Entry, own: str) -> Place:
    if entry.get("kind") != "MeshService":
        return NOWHERE
    old = _OLD.fullmatch(str(entry.get("name") or ""))
    if old:
        return old["namespace"], old["service"]
    return str(entry.get("namespace") or own), str(entry.get("name") or "")


def _pointed(entry: Entry, backend: str) -> Entry:
    old = _OLD.fullmatch(str(entry.get("name") or ""))
    return {**entry, "name": f"{backend}_{old['namespace']}_svc_{old['port']}" if old else backend}


def _router(name: str, kind: str) -> WeightedRouter:
    return WeightedRouter(
        Format(
            name,
            ("kuma.io", kind),
            rules=_rules,
            backend=_backend,
            pointed=_pointed,
            counts=stated(1),
            most=1_000_000,
        )
    )


HTTP = _router("kuma", "MeshHTTPRoute")
TCP = _router("kuma-tcp", "MeshTCPRoute")
