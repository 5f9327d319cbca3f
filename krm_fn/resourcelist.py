"""Reading a ResourceList and writing it back: the same text, with what a function added spliced in."""

from __future__ import annotations

from enum import Enum
from typing import Any

from helm_safe.core.objects import Object, annotations_of, gvk_of, name_of, namespace_of
from helm_safe.core.yamledit import Edits
from helm_safe.core.yamlio import YamlError, dump
from helm_safe.core.yamltext import Map, Seq, parse
from krm_fn.errors import InputError, OutputError, nearest
from krm_fn.items import FILE, Item, Items

VERSIONS = ("config.kubernetes.io/v1", "config.kubernetes.io/v1beta1")
KUSTOMIZE_ID = "kustomize.config.k8s.io/id"
FUNCTION = "config.kubernetes.io/function"

LARGE = 64 * 1024
"""Characters from which on the quick reader is tried first; below, loading it would take longer than it saves."""
READ_BACK = 256 * 1024
"""Characters up to which the output is read again before it is written. What was only added to a larger one is not."""


class Orchestrator(Enum):
    """Who calls decides where results go: Kustomize drops those of a ResourceList, kpt shows them."""

    KUSTOMIZE = "kustomize"
    OTHER = "other"


class Input:
    """What came in: the text, the objects in it, the config, and what is changed on the way out."""

    def __init__(self, documents: list[Any], items: Items, edits: Edits, root: Map | None = None) -> None:
        self.items = items
        self.config: Any = root.get("functionConfig") if root else None
        self._documents = documents
        self._edits = edits
        self._root = root
        self._created: list[Object] = []

    @property
    def orchestrator(self) -> Orchestrator:
        if any(KUSTOMIZE_ID in item.annotations for item in self.items):
            return Orchestrator.KUSTOMIZE
        from_files = any(key in item.annotations for item in self.items for key in FILE)
        called = isinstance(self.config, dict) and FUNCTION in annotations_of(self.config)
        return Orchestrator.KUSTOMIZE if called and not from_files else Orchestrator.OTHER

    def create(self, obj: Object) -> None:
        """Add an object to the output. Raises OutputError for one that is incomplete or there already."""
        lacking = _lacking(obj)
        same = self.items.find(gvk_of(obj).kind, name_of(obj), namespace_of(obj)) if not lacking else None
        if lacking or (same and same.gvk.group == gvk_of(obj).group) or obj in self._created:
            problem = f"has no {lacking}" if lacking else "is there already"
            raise OutputError(f"the new object {obj.get('kind')}/{name_of(obj)} {problem}")
        self._created.append(obj)
        if self._root is None:
            return
        if isinstance(self._root.get("items"), Seq):
            self._edits.append(self._root["items"], obj)
        else:
            self._edits.replace(self._root, "items", self._created)

    def add_results(self, results: list[Object]) -> None:
        """Results go beside those that came in, each once."""
        if self._root is None:
            return
        before = self._root.get("results")
        new = [result for result in results if result not in (before or [])]
        if not new:
            return
        if isinstance(before, Seq):
            for result in new:
                self._edits.append(before, result)
        elif "results" in self._root:
            self._edits.replace(self._root, "results", new)
        else:
            self._edits.add(self._root, "results", new)

    def render(self) -> str:
        """The output, whole. Raises OutputError when it does not say what it has to."""
        text = self._edits.apply()
        if self._root is None and self._created:
            text = "---\n".join([text if not text or text.endswith("\n") else f"{text}\n", *map(dump, self._created)])
        if self._edits and (len(text) <= READ_BACK or self._edits.rewrites):
            self._read_back(text)
        return text

    def _read_back(self, text: str) -> None:
        try:
            found = parse(text)
        except YamlError as error:
            raise OutputError(f"the output could not be read: {error}. Please report it.") from None
        meant = self._documents + (self._created if self._root is None else [])
        if found != meant:
            raise OutputError("the output would not say what was meant. Please report it.")


def read(text: str) -> Input:
    """A ResourceList. Raises InputError that names the item and the field."""
    documents = _parse(text)
    if len(documents) != 1 or not isinstance(documents[0], Map):
        raise InputError("the input is no ResourceList: one YAML mapping is expected")
    root = documents[0]
    _check_kind(root)
    if "items" not in root:
        raise InputError("items: is missing")
    if not isinstance(root["items"], Seq):
        if root["items"] is not None:
            raise InputError("items: a list is expected")
        return Input(documents, Items(), Edits(text), root)
    edits = Edits(text)
    items = Items(_item(data, index, edits, f"items[{index}]") for index, data in enumerate(root["items"]))
    return Input(documents, items, edits, root)


def read_stream(text: str) -> Input:
    """A plain stream of documents, as `kustomize build` prints it. Lists are taken apart, empty ones left alone."""
    edits = Edits(text, sort=True)
    items = Items()
    documents = _parse(text, keys=True)
    for number, document in enumerate(documents, 1):
        if document is not None:
            _unpack(document, items, edits, f"document {number}")
    return Input(documents, items, edits)


def _unpack(data: Any, items: Items, edits: Edits, where: str) -> None:
    if isinstance(data, Map) and str(data.get("kind", "")).endswith("List") and isinstance(data.get("items"), Seq):
        for index, each in enumerate(data["items"]):
            _unpack(each, items, edits, f"{where} items[{index}]")
    else:
        items.append(_item(data, len(items), edits, where))


def _parse(text: str, *, keys: bool = False) -> list[Any]:
    found = None
    if len(text) > LARGE:
        from helm_safe.core.yamllines import quick_parse

        found = quick_parse(text, keys=keys)
    try:
        return parse(text, keys=keys) if found is None else found
    except YamlError as error:
        raise InputError(f"the input is not readable YAML: {error}") from None


def _lacking(data: Object) -> str:
    """The first field that every object has and this one has not; empty where it is complete."""
    for field in ("apiVersion", "kind"):
        if not isinstance(data.get(field), str) or not data[field]:
            return field
    metadata = data.get("metadata")
    if not isinstance(metadata, dict):
        return "metadata"
    return "" if metadata.get("name") or metadata.get("generateName") else "metadata.name"


def _check_kind(root: Map) -> None:
    version, kind = root.get("apiVersion"), root.get("kind")
    if kind != "ResourceList":
        raise InputError(f"the input is no ResourceList but of kind {str(kind)[:80]!r}")
    if version not in VERSIONS:
        hint = nearest(str(version), list(VERSIONS))
        raise InputError(f"apiVersion: {str(version)[:80]!r} of the ResourceList is not known{hint}")


def _item(data: Any, index: int, edits: Edits, where: str) -> Item:
    if not isinstance(data, Map):
        raise InputError(f"{where}: an object is expected, not {'null' if data is None else type(data).__name__}")
    lacking = _lacking(data)
    if lacking:
        raise InputError(f"{where} ({data.get('kind') or 'no kind'}): {lacking} is missing")
    return Item(data, index, edits, where)
