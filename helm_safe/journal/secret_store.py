"""The journal of a run in a Secret beside the release: append-only, each append a compare-and-swap."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, replace

from helm_safe.core.annotations import FORMAT_LABEL, MANAGED_BY, MANAGED_BY_LABEL, RELEASE_LABEL, ROLE_LABEL, RUN_LABEL
from helm_safe.core.objects import Object, ObjectRef, dig, labels_of, name_of
from helm_safe.model.errors import Conflict, LostLease, NotFound, UsageError
from helm_safe.model.records import FORMAT, NOTIFIER, Kind, Record
from helm_safe.model.resources import SECRETS
from helm_safe.model.revisions import Release
from helm_safe.ports import Cluster, Lock

SECRET_TYPE = "helm-safe.dev/journal"  # noqa: S105 - the type of an object
COMPACT_AT = 512 * 1024
CONTINUE_AT = 900 * 1024
KEEP_RUNS = 5


def journal_name(release: Release, run_id: str, part: int = 0) -> str:
    """Name of the journal's Secret; `part` > 0 names a continuation."""
    return f"helm-safe.{release.name}.{run_id}" + (f".{part}" if part else "")


@dataclass
class _Part:
    """One Secret of a journal, as it was last seen."""

    number: int
    name: str
    resource_version: str
    records: list[Record] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(encode(self.records))


class SecretJournal:
    """The journal of one run. Appends carry the epoch of the Lease; a lost swap raises LostLease."""

    def __init__(self, cluster: Cluster, release: Release, run_id: str, lock: Lock) -> None:
        self._cluster = cluster
        self._release = release
        self._lock = lock
        self.run_id = run_id
        self._parts: list[_Part] = []

    def records(self) -> list[Record]:
        """Every record in the order of writing; empty before the first append."""
        self._load()
        return [record for part in self._parts for record in part.records]

    def append(self, record: Record) -> None:
        """Make a record durable. Raises LostLease when another process writes this run now."""
        self._lock.check()
        record = replace(record, epoch=self._lock.epoch)
        self._load()
        if not self._parts or self._parts[-1].size > CONTINUE_AT:
            self._create(record)
            return
        part = self._parts[-1]
        if part.size > COMPACT_AT:
            part.records = compact(part.records)
        self._swap(part, [*part.records, record])

    def _load(self) -> None:
        if self._parts:
            return
        listing = self._cluster.list(SECRETS, self._release.namespace, labels=_labels_query(self._release, self.run_id))
        found = [_part_of(secret, self._release, self.run_id) for secret in listing.items]
        self._parts = sorted(found, key=lambda part: part.number)

    def _create(self, record: Record) -> None:
        number = len(self._parts)
        name = journal_name(self._release, self.run_id, number)
        try:
            made = self._cluster.create(SECRETS, _secret(self._release, self.run_id, name, [record]))
        except Conflict as error:
            raise LostLease(f"another process already writes the journal of run {self.run_id}") from error
        self._parts.append(_Part(number, name, str(dig(made, "metadata", "resourceVersion")), [record]))

    def _swap(self, part: _Part, records: list[Record]) -> None:
        ref = ObjectRef("", "Secret", self._release.namespace, part.name)
        patch = {"metadata": {"resourceVersion": part.resource_version}, "data": {"records": encode(records)}}
        try:
            made = self._cluster.patch(SECRETS, ref, patch, manager=MANAGED_BY)
        except Conflict as error:
            raise LostLease(f"another process took over run {self.run_id}; this one stops here") from error
        part.resource_version = str(dig(made, "metadata", "resourceVersion"))
        part.records = records


def encode(records: list[Record]) -> str:
    """JSON lines in base64, as the data of a Secret wants them."""
    lines = "\n".join(json.dumps(record.to_json(), separators=(",", ":")) for record in records)
    return base64.b64encode(lines.encode()).decode()


def decode(data: str) -> list[Record]:
    """The inverse of encode. Raises ValueError or KeyError on damaged data."""
    lines = base64.b64decode(data).decode().splitlines()
    return [Record.from_json(json.loads(line)) for line in lines if line]


def compact(records: list[Record]) -> list[Record]:
    """Notes go, what a step that was done later announced and waited for, and all but the newest of each notifier.

    What an undo needs stays.
    """
    done = {record.step: number for number, record in enumerate(records) if record.kind is Kind.DONE}
    told = {record.step: number for number, record in enumerate(records) if record.step.startswith(NOTIFIER)}
    return [
        record
        for number, record in enumerate(records)
        if record.kind is not Kind.NOTE
        and number == told.get(record.step, number)
        and not (record.kind in (Kind.INTENT, Kind.WAITING) and number < done.get(record.step, 0))
    ]


def runs_of(cluster: Cluster, release: Release) -> dict[str, list[Record]]:
    """The journals of a release by run id, oldest run first; damaged ones have no records.

    Raises UsageError for a journal of a newer format.
    """
    parts: dict[str, list[_Part]] = {}
    for secret in cluster.list(SECRETS, release.namespace, labels=_labels_query(release)).items:
        run_id = labels_of(secret).get(RUN_LABEL, "")
        parts.setdefault(run_id, []).append(_part_of(secret, release, run_id))
    return {
        run_id: [record for part in sorted(parts[run_id], key=lambda each: each.number) for record in part.records]
        for run_id in sorted(parts)
    }


def prune(cluster: Cluster, release: Release, keep: int = KEEP_RUNS) -> None:
    """Delete the journals of finished runs beyond the newest `keep`; unfinished ones stay."""
    runs = runs_of(cluster, release)
    finished = [run_id for run_id, records in runs.items() if any(record.kind is Kind.END for record in records)]
    for run_id in finished[:-keep] if keep else finished:
        for secret in cluster.list(SECRETS, release.namespace, labels=_labels_query(release, run_id)).items:
            ref = ObjectRef("", "Secret", release.namespace, name_of(secret))
            cluster.delete(SECRETS, ref, uid=str(dig(secret, "metadata", "uid") or ""))


def journal_of(cluster: Cluster, release: Release, run_id: str, lock: Lock) -> SecretJournal:
    """The journal of an existing run. Raises NotFound when there is none."""
    journal = SecretJournal(cluster, release, run_id, lock)
    if not journal.records():
        raise NotFound(f"there is no journal of run {run_id} for release {release}")
    return journal


def _labels_query(release: Release, run_id: str = "") -> str:
    query = f"{MANAGED_BY_LABEL}={MANAGED_BY},{ROLE_LABEL}=journal,{RELEASE_LABEL}={release.name}"
    return query + (f",{RUN_LABEL}={run_id}" if run_id else "")


def _part_of(secret: Object, release: Release, run_id: str) -> _Part:
    written = labels_of(secret).get(FORMAT_LABEL, "")
    if not written.isdigit() or int(written) > FORMAT:
        raise UsageError(
            f"the journal {name_of(secret)} has format {written or 'none'}, newer than this helm-safe understands",
            "Use the helm-safe that wrote it, or a newer one.",
        )
    suffix = name_of(secret).removeprefix(journal_name(release, run_id))
    number = int(suffix[1:]) if suffix[1:].isdigit() else 0
    try:
        records = decode(str(dig(secret, "data", "records") or ""))
    except (ValueError, KeyError):
        records = []
    return _Part(number, name_of(secret), str(dig(secret, "metadata", "resourceVersion")), records)


def _secret(release: Release, run_id: str, name: str, records: list[Record]) -> Object:
    labels = {
        MANAGED_BY_LABEL: MANAGED_BY,
        RUN_LABEL: run_id,
        ROLE_LABEL: "journal",
        RELEASE_LABEL: release.name,
        FORMAT_LABEL: str(FORMAT),
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": release.namespace, "labels": labels},
        "type": SECRET_TYPE,
        "data": {"records": encode(records)},
    }
