"""Objects of a cluster as plain mappings, and their identity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

Object = dict[str, Any]


class ObjectRef(NamedTuple):
    """Identity of an object as Helm sees it: the API version's number does not count, the group does.

    `namespace` is empty for objects of the whole cluster.
    """

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


class Gvk(NamedTuple):
    """Group, version and kind, e.g. ("apps", "v1", "Deployment"); the group is empty for the core API."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def __str__(self) -> str:
        return f"{self.api_version} {self.kind}"


def gvk_of(obj: Mapping[str, Any]) -> Gvk:
    """Group, version, kind of an object; missing parts come back as empty strings."""
    group, slash, version = str(obj.get("apiVersion") or "").partition("/")
    return Gvk(group if slash else "", version if slash else group, str(obj.get("kind") or ""))


def name_of(obj: Mapping[str, Any]) -> str:
    return str(dig(obj, "metadata", "name") or "")


def namespace_of(obj: Mapping[str, Any]) -> str:
    return str(dig(obj, "metadata", "namespace") or "")


def ref_of(obj: Mapping[str, Any]) -> ObjectRef:
    """The reference of an object as it stands; manifests want `Revision.objects`, which fill in the namespace."""
    gvk = gvk_of(obj)
    return ObjectRef(gvk.group, gvk.kind, namespace_of(obj), name_of(obj))


def dig(value: Any, *path: str | int) -> Any:
    """The value below `path`, or None where any part of the path is absent or of another shape."""
    for part in path:
        if isinstance(value, dict):  # by far the most common: this is called a hundred thousand times
            value = value.get(part)
        elif isinstance(part, int):
            value = value[part] if isinstance(value, list) and -len(value) <= part < len(value) else None
        else:
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is None:
            return None
    return value


def mapping(value: Any, *path: str | int) -> dict[str, Any]:
    """Like dig, an empty mapping where there is none."""
    found = dig(value, *path) if path else value
    return found if isinstance(found, dict) else {}


def sequence(value: Any, *path: str | int) -> list[Any]:
    """Like dig, an empty list where there is none."""
    found = dig(value, *path) if path else value
    return found if isinstance(found, list) else []


def labels_of(obj: Mapping[str, Any]) -> dict[str, str]:
    return mapping(obj, "metadata", "labels")


def annotations_of(obj: Mapping[str, Any]) -> dict[str, str]:
    return mapping(obj, "metadata", "annotations")


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether a pod is ready and not on its way out."""
    conditions = sequence(pod, "status", "conditions")
    ready = any(dig(each, "type") == "Ready" and dig(each, "status") == "True" for each in conditions)
    return ready and not dig(pod, "metadata", "deletionTimestamp")


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a plain map selector (Service style) matches; an empty selector matches nothing."""
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def label_selector_matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector (matchLabels, matchExpressions) matches; an empty one matches everything."""
    if any(labels.get(key) != value for key, value in mapping(selector, "matchLabels").items()):
        return False
    return all(_expression_matches(expr, labels) for expr in sequence(selector, "matchExpressions"))


def _expression_matches(expr: Any, labels: Mapping[str, str]) -> bool:
    key, operator, values = dig(expr, "key"), dig(expr, "operator"), sequence(expr, "values")
    present = labels.get(str(key))
    verdicts = {
        "In": present in values,
        "NotIn": present not in values,
        "Exists": present is not None,
        "DoesNotExist": present is None,
    }
    return verdicts.get(str(operator), False)


def flatten_lists(documents: Iterable[Any]) -> Iterator[Object]:
    """Objects among parsed documents: empty ones dropped, `kind: List` unpacked."""
    for document in documents:
        if not isinstance(document, dict) or not document:
            continue
        if str(document.get("kind", "")).endswith("List") and isinstance(document.get("items"), list):
            yield from flatten_lists(document["items"])
        else:
            yield document
