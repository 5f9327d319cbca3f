"""The functionConfig: which function it asks for, and its spec, checked and completed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from helm_safe.core.objects import gvk_of, name_of
from helm_safe.core.yamlio import YamlError, load
from krm_fn.errors import UsageError, nearest
from krm_fn.function import Function
from krm_fn.schema import Schema, problems, types_of, with_defaults


class Chosen(NamedTuple):
    """The function that a config asks for, its spec with the defaults filled in, and the config's name."""

    function: Function
    spec: dict[str, Any]
    name: str


def choose(config: Any, functions: Sequence[Function]) -> Chosen:
    """What a config asks for. Raises UsageError that names every wrong field."""
    if not isinstance(config, dict) or not config:
        raise UsageError("there is no functionConfig: nothing says what to do")
    if (config.get("apiVersion"), config.get("kind")) == ("v1", "ConfigMap"):
        return _from_config_map(config, functions)
    gvk = gvk_of(config)
    function = _of_kind(gvk.kind, functions, "kind")
    if gvk.group != function.group or gvk.version not in function.versions:
        known = [f"{function.group}/{version}" for version in function.versions]
        raise UsageError(
            f"functionConfig.apiVersion: {gvk.api_version!r} is not known{nearest(gvk.api_version, known)}"
        )
    unknown = [key for key in config if key not in ("apiVersion", "kind", "metadata", "spec", "status")]
    if unknown:
        raise UsageError(f"functionConfig.{unknown[0]}: unknown field{nearest(unknown[0], ['metadata', 'spec'])}")
    spec = config.get("spec")
    name = name_of(config)
    return Chosen(function, _checked({} if spec is None else spec, function, f"{gvk.kind}/{name} spec"), name)


def _from_config_map(config: Mapping[str, Any], functions: Sequence[Function]) -> Chosen:
    """What kpt makes of `-- key=value` and `configMap:`: flat texts. A dot in a key means a field of a field."""
    data = config.get("data")
    if not isinstance(data, dict):
        data = {}
    function = _of_kind(str(data["kind"]), functions, "data.kind") if "kind" in data else functions[0]
    spec: dict[str, Any] = {}
    for key, text in data.items():
        if key != "kind":
            _place(spec, key, text, function.schema)
    return Chosen(function, _checked(spec, function, "data"), name_of(config))


def _place(spec: dict[str, Any], key: str, text: Any, schema: Schema) -> None:
    *owners, last = key.split(".")
    for owner in owners:
        schema = schema.get("properties", {}).get(owner, {})
        spec = spec.setdefault(owner, {})
        if not isinstance(spec, dict):
            raise UsageError(f"data.{key}: {owner} has a value already")
    spec[last] = _typed(text, schema.get("properties", {}).get(last, {}), key)


def _typed(text: Any, schema: Schema, key: str) -> Any:
    if not isinstance(text, str) or types_of(schema) == ["string"]:
        return text
    try:
        return load(text)
    except YamlError as error:
        raise UsageError(f"data.{key}: {error}") from None


def _of_kind(kind: str, functions: Sequence[Function], field: str) -> Function:
    found = next((each for each in functions if each.kind == kind), None)
    if found is None:
        known = [each.kind for each in functions]
        raise UsageError(f"functionConfig.{field}: {kind[:80]!r} is not known{nearest(kind, known)}")
    return found


def _checked(spec: Any, function: Function, where: str) -> dict[str, Any]:
    found = problems(spec, function.schema, where)
    if not found and function.prepare:
        spec = function.prepare(spec)
        found = problems(spec, function.schema, f"{where} (with its profiles)")
    if found:
        raise UsageError("\n".join(found[:20]))
    filled: dict[str, Any] = with_defaults(spec, function.schema)
    return filled
