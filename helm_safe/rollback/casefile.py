"""The bundle of an autopsy: a private folder and an archive of it, bounded, without secrets."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from helm_safe.core.masking import Masker
from helm_safe.core.objects import Object, mapping
from helm_safe.core.redact import redact_object
from helm_safe.files import private_dir, safe_name, write_private
from helm_safe.model.collected import Collected

MAX_BYTES = 20 * 1024 * 1024
MAX_EVENTS = 2000
"""Of thousands of events the newest are enough."""
_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job")
_APART = {"Pod", "Event", "Secret", "ConfigMap", "ServiceAccount", *_WORKLOADS}


class Bundle(NamedTuple):
    """Where an autopsy was saved. archive: None where it could not be packed. cut: what did not fit."""

    folder: Path
    archive: Path | None
    cut: tuple[str, ...]


class Folder:
    """Private files below one folder, bounded in sum. names: what was written. cut: what did not fit, or not whole."""

    def __init__(self, folder: Path, most: int = MAX_BYTES) -> None:
        self.path = private_dir(folder)
        self.names: list[str] = []
        self.cut: list[str] = []
        self._left = most

    def write_all(self, name: str, objects: Iterable[Object]) -> None:
        """A JSON list, whole objects as long as there is room: thousands of events need not be in memory at once."""
        texts, size = [], 4
        for obj in objects:
            text = json.dumps(obj, indent=1, ensure_ascii=False)
            size += len(text.encode("utf-8", "backslashreplace")) + 2
            if size > self._left:
                self.cut.append(name)
                break
            texts.append(text)
        self.write(name, "[" + ",\n".join(texts) + "]")

    def write(self, name: str, text: str) -> None:
        body = text.encode("utf-8", "backslashreplace")
        if len(body) > self._left:
            self.cut.append(name)
            body = body[: max(self._left, 0)]
        if body:
            self._left -= len(body)
            write_private(self.path / safe_name(name), body)
            self.names.append(safe_name(name))

    def pack(self, beside: Path) -> Path:
        """A .tar.gz of what was written. Raises OSError."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name in dict.fromkeys(self.names):
                entry = tarfile.TarInfo(f"{self.path.name}/{name}")
                data = (self.path / name).read_bytes()
                entry.size, entry.mode, entry.mtime = len(data), 0o600, int((self.path / name).stat().st_mtime)
                archive.addfile(entry, io.BytesIO(data))
        write_private(beside, packed.getvalue())
        return beside


def save(folder: Path, collected: Collected, masker: Masker, body: dict[str, Any], told: str) -> Bundle:
    """Write the bundle: what was found first, then what it was found in. Raises OSError."""
    saved = Folder(folder)
    saved.write("autopsy.json", json.dumps(masker.strings(body), indent=2, ensure_ascii=False) + "\n")
    saved.write("autopsy.md", masker.text(told))
    saved.write_all("pods.json", _shown(collected.of_kind("Pod"), masker))
    saved.write_all("workloads.json", _shown((obj for kind in _WORKLOADS for obj in collected.of_kind(kind)), masker))
    for log in collected.logs:
        saved.write(f"{log.pod}.{log.container}{'.previous' if log.previous else ''}.log", log.text)
    saved.write_all("events.json", _shown(_newest(collected.of_kind("Event")), masker))
    others = (obj for kind in sorted(collected.objects) if kind not in _APART for obj in collected.of_kind(kind))
    saved.write_all("objects.json", _shown(others, masker))
    keys = ("ConfigMap", "Secret")
    saved.write_all("references.json", (_keys(obj) for kind in keys for obj in collected.of_kind(kind)))
    try:
        archive: Path | None = saved.pack(folder.with_name(f"{folder.name}.tar.gz"))
    except OSError:
        archive = None
    return Bundle(folder, archive, tuple(saved.cut))


def _shown(objects: Iterable[Object], masker: Masker) -> Iterable[Object]:
    return (redact_object(masker.strings(obj)) for obj in objects)


def _newest(events: Iterable[Object]) -> list[Object]:
    return sorted(events, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))[
        -MAX_EVENTS:
    ]


def _keys(obj: Object) -> Object:
    """Which keys there are; no value, and of a Secret no hash either."""
    name, keys = mapping(obj, "metadata").get("name"), {**mapping(obj, "data"), **mapping(obj, "binaryData")}
    return {"kind": obj.get("kind"), "name": name, "keys": sorted(map(str, keys))}
