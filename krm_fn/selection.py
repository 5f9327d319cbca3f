"""Which objects and containers a config means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from krm_fn.items import Item

_TEXTS = {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1}

OBJECTS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "kinds": {**_TEXTS, "description": "Kinds; patterns with * and ? are allowed, here and below."},
        "names": {**_TEXTS, "description": "Names, as they are where the function runs (after namePrefix of bases)."},
        "namespaces": {**_TEXTS, "description": "Namespaces."},
        "labels": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Labels that the object must all have.",
        },
        "annotations": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Annotations that the object must all have.",
        },
    },
}
CONTAINERS: dict[str, Any] = {
    "type": "object",
    "properties": {**OBJECTS["properties"], "containers": {**_TEXTS, "description": "Names of containers."}},
}
CHOICE: dict[str, Any] = {
    "select": {**OBJECTS, "description": "Only these objects; absent: all."},
    "exclude": {**OBJECTS, "description": "Not these objects."},
}
WORKLOADS: dict[str, Any] = {
    "type": "array",
    "description": "Further kinds that hold a pod template.",
    "default": [],
    "items": {
        "type": "object",
        "required": ["kind"],
        "properties": {
            "group": {"type": "string", "default": "", "description": "API group."},
            "kind": {"type": "string", "minLength": 1},
            "template": {"type": "string", "default": "spec.template", "description": "Path of the pod template."},
        },
    },
}


def is_meant(spec: Mapping[str, Any], item: Item) -> bool:
    """Whether a spec with the fields of CHOICE means an object."""
    excluded = "exclude" in spec and selects_item(spec["exclude"], item)
    return selects_item(spec.get("select", {}), item) and not excluded


def selects_item(select: Mapping[str, Any], item: Item) -> bool:
    """Whether an object is meant. What is not said matches everything."""
    return not select or (
        matches(select.get("kinds"), item.kind)
        and matches(select.get("names"), item.name)
        and matches(select.get("namespaces"), item.namespace)
        and _has(select.get("labels"), item.labels)
        and _has(select.get("annotations"), item.annotations)
    )


def matches(patterns: list[str] | None, word: str) -> bool:
    if patterns is None or word in patterns:
        return True
    return any(_pattern_matches(pattern, word) for pattern in patterns if "*" in pattern or "?" in pattern)


def _pattern_matches(pattern: str, word: str) -> bool:
    from fnmatch import fnmatchcase

    return fnmatchcase(word, pattern)


def _has(wanted: Mapping[str, str] | None, found: Mapping[str, Any]) -> bool:
    return all(str(found.get(key)) == value if key in found else False for key, value in (wanted or {}).items())
