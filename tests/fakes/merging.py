"""Patches as the API server applies them, enough for the kinds that the tests use."""

from __future__ import annotations

import copy
from typing import Any

KEYS = ("name", "containerPort", "port", "mountPath", "ip", "key", "type")
"""Keys by which lists of mappings are merged; the real server knows one per list."""


class PatchFailed(Exception):
    pass


def merge(base: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(base) if isinstance(base, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def strategic(base: Any, patch: Any) -> Any:
    """Like merge, lists of named mappings item by item; `$patch: delete` removes an item."""
    if isinstance(patch, dict):
        result = dict(base) if isinstance(base, dict) else {}
        for key, value in patch.items():
            if key == "$patch":
                continue
            if value is None:
                result.pop(key, None)
            else:
                result[key] = strategic(result.get(key), value)
        return result
    key = _merge_key(patch)
    if key is None or not isinstance(base, list):
        return copy.deepcopy(patch)
    result = copy.deepcopy(base)
    for item in patch:
        place = next(
            (i for i, there in enumerate(result) if isinstance(there, dict) and there.get(key) == item[key]), None
        )
        if item.get("$patch") == "delete":
            if place is not None:
                del result[place]
        elif place is None:
            result.append(copy.deepcopy(item))
        else:
            result[place] = strategic(result[place], item)
    return result


def json_patch(base: Any, steps: list[dict[str, Any]]) -> Any:
    """RFC 6902: add, remove, replace, test, copy, move. Raises PatchFailed."""
    result = copy.deepcopy(base)
    for step in steps:
        operation = step["op"]
        if operation in ("copy", "move"):
            value = copy.deepcopy(_at(result, step["from"]))
            if operation == "move":
                _write(result, step["from"], "remove", None)
            _write(result, step["path"], "add", value)
        elif operation == "test":
            if _at(result, step["path"]) != step.get("value"):
                raise PatchFailed(f"test of {step['path']} failed")
        else:
            _write(result, step["path"], operation, copy.deepcopy(step.get("value")))
    return result


def leaves(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Field paths in the manner of managedFields, with the values that stand there."""
    if isinstance(value, dict) and value:
        found: dict[tuple[str, ...], Any] = {}
        for key, item in value.items():
            found |= leaves(item, (*path, f"f:{key}"))
        return found
    key = _merge_key(value)
    if key is not None:
        found = {}
        for item in value:
            found |= leaves(item, (*path, f'k:{{"{key}":"{item[key]}"}}'))
        return found
    return {path: value}


def nest(paths: set[tuple[str, ...]]) -> dict[str, Any]:
    """fieldsV1 of a set of paths."""
    tree: dict[str, Any] = {}
    for path in sorted(paths):
        node = tree
        for part in path:
            node = node.setdefault(part, {})
    return tree


def unnest(tree: dict[str, Any], path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    if not tree:
        return {path} if path else set()
    return {leaf for key, below in tree.items() for leaf in unnest(below, (*path, key))}


def drop(base: Any, path: tuple[str, ...]) -> None:
    """Remove the field at a managedFields path, where it is."""
    parents = [(base, "")]
    node = base
    for part in path:
        place = _place(node, part)
        if place is None:
            return
        parents.append((node, place))
        node = node[place]
    holder, place = parents[-1]
    del holder[place]


def _place(node: Any, part: str) -> Any:
    if part.startswith("f:"):
        return part[2:] if isinstance(node, dict) and part[2:] in node else None
    key, _, wanted = part[4:-2].partition('":"')
    if not isinstance(node, list):
        return None
    return next((i for i, item in enumerate(node) if isinstance(item, dict) and str(item.get(key)) == wanted), None)


def _merge_key(value: Any) -> str | None:
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
        return None
    return next((key for key in KEYS if all(key in item for item in value)), None)


def _parts(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _at(document: Any, pointer: str) -> Any:
    for part in _parts(pointer):
        try:
            document = document[int(part)] if isinstance(document, list) else document[part]
        except (KeyError, IndexError, ValueError, TypeError):
            raise PatchFailed(f"no {pointer}") from None
    return document


def _write(document: Any, pointer: str, operation: str, value: Any) -> None:
    *parents, last = _parts(pointer)
    holder = _at(document, "".join(f"/{p.replace('~', '~0').replace('/', '~1')}" for p in parents))
    if isinstance(holder, list):
        place = len(holder) if last == "-" else int(last)
        if place > len(holder) or (operation != "add" and place >= len(holder)):
            raise PatchFailed(f"no {pointer}")
        if operation == "add":
            holder.insert(place, value)
        elif operation == "remove":
            del holder[place]
        else:
            holder[place] = value
        return
    if not isinstance(holder, dict) or (operation != "add" and last not in holder):
        raise PatchFailed(f"no {pointer}")
    if operation == "remove":
        del holder[last]
    else:
        holder[last] = value
