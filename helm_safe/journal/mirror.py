"""A copy of the journal on local disk: what `status` shows while the API server does not answer."""

from __future__ import annotations

import json
from pathlib import Path

from helm_safe.files import append_private, private_dir, safe_name
from helm_safe.model.records import Record
from helm_safe.model.revisions import Release
from helm_safe.ports import JournalStore


def mirror_path(folder: Path, release: Release, run_id: str) -> Path:
    return folder / safe_name(release.namespace) / safe_name(release.name) / f"{safe_name(run_id)}.jsonl"


class MirroredJournal:
    """Writes each record to disk first, then to the cluster; the cluster's copy is the truth."""

    def __init__(self, inner: JournalStore, folder: Path, release: Release) -> None:
        self._inner = inner
        self._path = mirror_path(folder, release, inner.run_id)
        self.run_id = inner.run_id
        private_dir(self._path.parent)

    def append(self, record: Record) -> None:
        append_private(self._path, (json.dumps(record.to_json()) + "\n").encode())
        self._inner.append(record)

    def records(self) -> list[Record]:
        return self._inner.records()


def read_mirror(folder: Path, release: Release) -> dict[str, list[Record]]:
    """The runs that this machine saw, by run id; lines that are damaged are left out."""
    place = folder / safe_name(release.namespace) / safe_name(release.name)
    return {path.stem: _read(path) for path in sorted(place.glob("*.jsonl"))}


def _read(path: Path) -> list[Record]:
    records = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            records.append(Record.from_json(json.loads(text)))
        except (ValueError, KeyError):
            continue
    return records
