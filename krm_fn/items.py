"""Items: the objects that a function works on. Read them freely; change them only through their methods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from helm_safe.core.objects import Gvk, Object, annotations_of, dig, gvk_of, labels_of, name_of, namespace_of
from helm_safe.core.yamledit import Edits, NoPlace, without_places
from helm_safe.core.yamltext import Seq
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


class Change(NamedTuple):
    """One change: where the first new, exchanged or removed key stands, its new value, and a word for people."""

    path: Path
    value: Any
    done: str


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
        owner, way = self._owner(path)
        if way is path and way[-1] in owner:
            return False
        self._write(owner, way, without_places(_nested(path[len(way) :], value)))
        return True

    def set(self, path: Path, value: Any) -> bool:
        """Give a value to a path whatever stands there; False where it has that value already. Raises like `add`."""
        owner, way = self._owner(path)
        if way == path and way[-1] in owner and owner[way[-1]] == value:
            return False
        self._write(owner, way, without_places(_nested(path[len(way) :], value)))
        return True

    def append(self, path: Path, value: Any) -> None:
        """Add an entry at the end of a list that is there; one in brackets is written anew.

        Raises NoPlace for what is no list, or cannot be edited in place.
        """
        owner = dig(self.data, *path)
        if not isinstance(owner, Seq):
            raise NoPlace(path_text(path))
        if owner.flow:
            self.set(path, [*owner, value])
            return
        value = without_places(value)
        self._edits.append(owner, value)
        self.changes.append(Change((*path, len(owner) - 1), value, "added"))

    def remove(self, path: Path) -> bool:
        """Take a key out; False where there is none. Raises like `add`."""
        owner, way = self._owner(path)
        if way != path or way[-1] not in owner:
            return False
        self._edits.remove(owner, str(way[-1]))
        self.changes.append(Change(path, None, "removed"))
        return True

    def _owner(self, path: Path) -> tuple[Any, Path]:
        """The mapping that has to change for a path, and how much of the path leads to a key of it."""
        _refuse_internal(path)
        owner: Any = self.data
        depth = 0
        for key in path[:-1]:
            try:
                below = owner[key]
            except (KeyError, IndexError, TypeError):
                break
            if below is None:
                break
            owner, depth = below, depth + 1
        if not path or not isinstance(owner, dict) or not isinstance(path[depth], str):
            raise NoPlace(path_text(path))
        return owner, path if depth + 1 == len(path) else path[: depth + 1]

    def _write(self, owner: Any, path: Path, value: Any) -> None:
        key = str(path[-1])
        done = "changed" if key in owner else "added"
        (self._edits.replace if key in owner else self._edits.add)(owner, key, value)
        self.changes.append(Change(path, value, done))

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
