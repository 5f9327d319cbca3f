"""Addresses of API resources: every name is checked, so that none can change which request is made."""

from __future__ import annotations

from urllib.parse import quote

from helm_safe.kube.answers import Call, shown
from helm_safe.model.errors import Invalid
from helm_safe.model.snapshot import Resource

_WORDS = {"GET": "read"}


def target(
    verb: str, resource: Resource, namespace: str = "", name: str = "", subresource: str = "", *, named: bool = True
) -> Call:
    """A bare call on an object (`named`), or on the collection.

    An empty or strange name is refused: it would turn a read of one object into a list, and a delete into a delete of
    all. Raises Invalid.
    """
    group, version = resource.gvk.group, resource.gvk.version
    base = f"/apis/{segment(group)}/{segment(version)}" if group else f"/api/{segment(version)}"
    place, pattern = "", ""
    if resource.namespaced and (namespace or named or verb == "POST"):
        place, pattern = f"/namespaces/{segment(namespace)}", "/namespaces/{namespace}"
    tail = f"/{segment(resource.plural)}"
    end = f"/{segment(name)}" if named else ""
    below = f"/{segment(subresource)}" if subresource else ""
    kinds = f"{resource.plural}.{group}" if group else resource.plural
    where = f"{kinds} {namespace}/{name}" if namespace and name else f"{kinds} {namespace or name}".strip()
    return Call(
        verb,
        f"{base}{place}{tail}{end}{below}",
        f"{base}{pattern}{tail}{'/{name}' if named else ''}{below}",
        what=shown(f"{_WORDS.get(verb, verb.lower()) if named else 'list' if verb == 'GET' else 'create'} {where}"),
        look=_look(kinds, resource, namespace, name) if name else "",
    )


def segment(text: str) -> str:
    """One escaped part of a path. Raises Invalid for what no Kubernetes name can be."""
    if not text or text in (".", "..") or "/" in text or "%" in text or not text.isprintable():
        raise Invalid(
            f'"{shown(text)}" cannot be the name of an object or namespace.', "Check the spelling.", status=400
        )
    return quote(text, safe=":")


def _look(kinds: str, resource: Resource, namespace: str, name: str) -> str:
    where = f" -n {namespace}" if resource.namespaced else ""
    return shown(f"kubectl get {kinds} {name}{where} -o yaml")
