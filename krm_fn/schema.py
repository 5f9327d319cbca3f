"""A small part of JSON Schema: enough to check a function's config and to say what is wrong with it.

Known keywords: type (one or a list), properties, additionalProperties (a schema; absent means that unknown fields are
errors), required, items, minItems, enum, minimum, maximum, minLength, default, description.
"""

from __future__ import annotations

from typing import Any

from krm_fn.errors import nearest

Schema = dict[str, Any]

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


def problems(value: Any, schema: Schema, path: str) -> list[str]:
    """Everything that is wrong with a value, one sentence each; the path of the field comes first."""
    if not schema:
        return []  # anything goes
    wanted = types_of(schema)
    if wanted and not any(_is(value, name) for name in wanted):
        return [f"{path}: must be {' or '.join(wanted)}, not {_name(value)}"]
    if isinstance(value, dict):
        return _of_object(value, schema, path)
    if isinstance(value, list):
        return _of_array(value, schema, path)
    return _of_scalar(value, schema, path)


def with_defaults(value: Any, schema: Any) -> Any:
    """A copy of a checked value in which absent fields have their defaults."""
    if isinstance(value, dict):
        known: dict[str, Schema] = schema.get("properties", {})
        other: Schema = schema.get("additionalProperties", {})
        filled = {key: with_defaults(item, known.get(key, other)) for key, item in value.items()}
        for key, below in known.items():
            if key not in filled and "default" in below:
                filled[key] = with_defaults(below["default"], below)
        return filled
    if isinstance(value, list):
        return [with_defaults(item, schema.get("items", {})) for item in value]
    return value


def types_of(schema: Schema) -> list[str]:
    wanted = schema.get("type", [])
    return [wanted] if isinstance(wanted, str) else list(wanted)


def _of_object(value: dict[str, Any], schema: Schema, path: str) -> list[str]:
    known: dict[str, Schema] = schema.get("properties", {})
    other = schema.get("additionalProperties")
    found = [f"{path}.{key}: is required" for key in schema.get("required", ()) if key not in value]
    for key, item in value.items():
        below = known.get(key, other)
        if below is None:
            found.append(f"{path}.{key}: unknown field{nearest(key, sorted(known))}")
        else:
            found += problems(item, below, f"{path}.{key}")
    return found


def _of_array(value: list[Any], schema: Schema, path: str) -> list[str]:
    if len(value) < schema.get("minItems", 0):
        return [f"{path}: needs at least {schema['minItems']} entries"]
    below = schema.get("items", {})
    return [each for index, item in enumerate(value) for each in problems(item, below, f"{path}[{index}]")]


def _of_scalar(value: Any, schema: Schema, path: str) -> list[str]:
    if "enum" in schema and value not in schema["enum"]:
        known = [str(each) for each in schema["enum"]]
        return [f"{path}: {str(value)[:80]!r} is not allowed{nearest(str(value), known)}"]
    if isinstance(value, str) and len(value) < schema.get("minLength", 0):
        return [f"{path}: must not be empty"]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        least, most = schema.get("minimum"), schema.get("maximum")
        if least is not None and value < least:
            return [f"{path}: must be at least {least}, not {value}"]
        if most is not None and value > most:
            return [f"{path}: must be at most {most}, not {value}"]
    return []


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, _TYPES[name])


def _name(value: Any) -> str:
    return next(name for name in _TYPES if _is(value, name))
