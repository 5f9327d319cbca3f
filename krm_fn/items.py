"""Items: the objects that a function works on. Read them freely; change them only through their methods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from helm_safe.core.objects import Gvk, Object, annotations_of, dig, gvk_of, labels_of, name_of, namespace_of
from helm_safe.core.yamledit import Edits, NoPlace, without_places
from krm_fn.errors import OutputError

Path = tuple[str | int, ...]
"""("spec", "template", "spec", "containers", 0, "image")"""

FILE = ("internal.config.kubernetes.io/path", "config.kubernetes.io/path")
_INTERNAL = (
    "internal.config.kubernetes.io/",
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
    "config.k8s.io/id",
)


class Change:
    """One addition: `path` is where the first new key stands."""

    __slots__ = ("path", "value")

    def __init__(self, path: Path, value: Any) -> None:
        self.path = path
        self.value = value


class Item:
    """One object. `data`: its content, to be read only; `index`: its position; `where`: the same for people."""

    __slots__ = ("_edits", "changes", "data", "gvk", "index", "where")

    def __init__(self, data: Object, index: int, edits: Edits, where: str = "") -> None:
        self.data = data
        self.gvk: Gvk = gvk_of(data)
        self.index = index
        self.where = where or f"items[{index}]"
        self.changes: list[Change] = []
        self._edits = edits

    @property
    def kind(self) -> str:
        return self.gvk.kind

    @property
    def name(self) -> str:
        return name_of(self.data)

    @property
    def namespace(self) -> str:
        return namespace_of(self.data)

    @property
    def labels(self) -> dict[str, str]:
        return labels_of(self.data)

    @property
    def annotations(self) -> dict[str, str]:
        return annotations_of(self.data)

    @property
    def file(self) -> str:
        """The file it came from, where the orchestrator told."""
        return next((str(self.annotations[key]) for key in FILE if key in self.annotations), "")

    def get(self, *path: str | int) -> Any:
        """The value at a path, None where any part of it is absent."""
        return dig(self.data, *path)

    def add(self, path: Path, value: Any) -> bool:
        """Add a value where nothing stands, with the mappings on the way there; False where something does.

        Raises NoPlace where the text cannot take it (repeated by an alias), OutputError for internal annotations.
        """
        _refuse_internal(path)
        owner: Any = self.data
        for depth, key in enumerate(path[:-1]):
            try:
                owner = owner[key]
            except (KeyError, IndexError, TypeError):
                return self._add(owner, path[: depth + 1], _nested(path[depth + 1 :], value))
        return self._add(owner, path, value)

    def _add(self, owner: Any, path: Path, value: Any) -> bool:
        key = path[-1]
        if not isinstance(owner, dict) or not isinstance(key, str):
            raise NoPlace(path_text(path))
        if key in owner:
            return False
        value = without_places(value)
        self._edits.add(owner, key, value)
        self.changes.append(Change(path, value))
        return True

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


class Items(list[Item]):
    """All items of one run, in the order of the input."""

    def of(self, kind: str, group: str | None = None) -> Iterator[Item]:
        """The items of a kind; of any group unless one is given."""
        return (item for item in self if item.kind == kind and group in (None, item.gvk.group))

    def find(self, kind: str, name: str, namespace: str = "") -> Item | None:
        wanted = (name, namespace)
        return next((item for item in self.of(kind) if (item.name, item.namespace) == wanted), None)


def path_text(path: Path) -> str:
    """A path for people: "spec.template.spec.containers[0].image"; a key with a dot in it stands in brackets."""
    text = ""
    for part in path:
        if isinstance(part, int) or "." in part or "/" in part:
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def _nested(path: Path, value: Any) -> Any:
    for key in reversed(path):
        if not isinstance(key, str):
            raise NoPlace(path_text(path))
        value = {key: value}
    return value


def _refuse_internal(path: Path) -> None:
    if path[:2] == ("metadata", "annotations") and len(path) > 2 and str(path[2]).startswith(_INTERNAL):
        raise OutputError(f"a function must not write the annotation {path[2]}: it belongs to the orchestrator")
