"""Reading a ResourceList and writing it back: the same text, with what a function added spliced in."""

from __future__ import annotations

from enum import Enum
from typing import Any

from helm_safe.core.objects import Object, annotations_of
from helm_safe.core.yamledit import Edits
from helm_safe.core.yamlio import YamlError, dump
from helm_safe.core.yamltext import Map, Seq, parse
from krm_fn.errors import InputError, OutputError, nearest
from krm_fn.items import FILE, Item, Items

VERSIONS = ("config.kubernetes.io/v1", "config.kubernetes.io/v1beta1")
KUSTOMIZE_ID = "kustomize.config.k8s.io/id"
FUNCTION = "config.kubernetes.io/function"


class Orchestrator(Enum):
    """Who calls decides where results go: Kustomize drops those of a ResourceList, kpt shows them."""

    KUSTOMIZE = "kustomize"
    OTHER = "other"


class Input:
    """What came in: the text, the objects in it, the config, and what is added on the way out."""

    def __init__(self, text: str, items: Items, edits: Edits, root: Map | None = None) -> None:
        self.items = items
        self.config: Any = root.get("functionConfig") if root else None
        self._text = text
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
        self._created.append(obj)
        if self._root is not None:
            self._edits.append(self._root["items"], obj)

    def add_results(self, results: list[Object]) -> None:
        """Results go behind those that came in, each once."""
        if self._root is None or not results:
            return
        before = self._root.get("results")
        if before is None:
            self._edits.add(self._root, "results", results)
            return
        for result in results:
            if result not in before:
                self._edits.append(before, result)

    def render(self) -> str:
        """The output, whole. Raises OutputError when it is not what came in plus what was added."""
        text = self._edits.apply()
        if self._root is None and self._created:
            text = "---\n".join([text if not text or text.endswith("\n") else f"{text}\n", *map(dump, self._created)])
        if len(text) < len(self._text):
            raise OutputError("the output is shorter than the input")
        return text


def read(text: str) -> Input:
    """A ResourceList. Raises InputError that names the item and the field."""
    documents = _parse(text)
    if len(documents) != 1 or not isinstance(documents[0], Map):
        raise InputError("the input is no ResourceList: one YAML mapping is expected")
    root = documents[0]
    _check_kind(root)
    if not isinstance(root.get("items"), Seq):
        if root.get("items") is not None:
            raise InputError("items: a list is expected")
        return Input(text, Items(), Edits(text), root)
    edits = Edits(text)
    items = Items(_item(data, index, edits, f"items[{index}]") for index, data in enumerate(root["items"]))
    return Input(text, items, edits, root)


def read_stream(text: str) -> Input:
    """A plain stream of documents, as `kustomize build` prints it. Lists are taken apart, empty ones left alone."""
    edits = Edits(text, sort=True)
    items = Items()
    for number, document in enumerate(_parse(text), 1):
        if document is not None:
            _unpack(document, items, edits, f"document {number}")
    return Input(text, items, edits)


def _unpack(data: Any, items: Items, edits: Edits, where: str) -> None:
    if isinstance(data, Map) and str(data.get("kind", "")).endswith("List") and isinstance(data.get("items"), Seq):
        for index, each in enumerate(data["items"]):
            _unpack(each, items, edits, f"{where} items[{index}]")
    else:
        items.append(_item(data, len(items), edits, where))


def _parse(text: str) -> list[Any]:
    try:
        return parse(text)
    except YamlError as error:
        raise InputError(f"the input is not readable YAML: {error}") from None


def _lacking(data: Map) -> str:
    """The first field that every object has and this one has not."""
    fields = (field for field in ("apiVersion", "kind") if not isinstance(data.get(field), str) or not data[field])
    return next(fields, "metadata.name" if isinstance(data.get("metadata"), dict) else "metadata")


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
    metadata = data.get("metadata")
    named = isinstance(metadata, dict) and (metadata.get("name") or metadata.get("generateName"))
    typed = all(isinstance(data.get(field), str) and data[field] for field in ("apiVersion", "kind"))
    if not typed or not named:
        raise InputError(f"{where} ({data.get('kind') or 'no kind'}): {_lacking(data)} is missing")
    return Item(data, index, edits, where)
