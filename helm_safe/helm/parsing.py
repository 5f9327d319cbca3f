"""From the JSON body of a release record, of Helm 3 or 4, to a Revision."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from helm_safe.core.annotations import PREFIX
from helm_safe.core.objects import Object, ObjectRef, dig, flatten_lists, gvk_of, mapping, name_of, sequence
from helm_safe.core.yamlio import YamlError, load_all
from helm_safe.helm.payload import UndecodableError
from helm_safe.model.revisions import Hook, Release, Revision, RevisionStatus
from helm_safe.model.snapshot import Served

Objects = dict[ObjectRef, Object]

# Kinds of the whole cluster that no server lists any more; old revisions still name them.
GONE_CLUSTER_KINDS = {("policy", "PodSecurityPolicy"), ("extensions", "PodSecurityPolicy")}
CRD = ("apiextensions.k8s.io", "CustomResourceDefinition")

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")
_ROLLBACK = re.compile(r"Rollback to (\d{1,9})")


class Parser:
    """Parses the records of one release; equal manifests of several revisions are parsed once.

    served: what the API server serves, which tells the kinds of the whole cluster from those of a namespace.
    """

    def __init__(self, release: Release, served: Served) -> None:
        self._release = release
        self._served = served
        self._parsed: dict[str, Objects] = {}

    def revision(self, body: Mapping[str, Any], *, record: str = "") -> Revision:
        """The revision that `body` describes. Raises UndecodableError where it describes none of this release."""
        number = body.get("version")
        if not isinstance(number, int) or number < 1:
            raise UndecodableError("the record has no revision number")
        if body.get("name") != self._release.name:
            raise UndecodableError("the record belongs to a release of another name")
        info, metadata = mapping(body, "info"), mapping(body, "chart", "metadata")
        manifest = text(body.get("manifest"))
        description = text(info.get("description"))
        return Revision(
            number=number,
            status=status(info.get("status")),
            manifest=manifest,
            deployed_at=moment(info.get("last_deployed")),
            description=description,
            chart=text(metadata.get("name")),
            chart_version=text(metadata.get("version")),
            app_version=text(metadata.get("appVersion")),
            apply_method=text(body.get("apply_method")),
            rollback_of=rollback_of(info, description),
            hooks=tuple(self._hook(each) for each in sequence(body, "hooks") if isinstance(each, dict)),
            objects=self.objects(manifest),
            values_hash=digest(body.get("config") or {}),
            crds=crds(sequence(body, "chart", "files")),
            record=record,
            marks=marks(mapping(metadata, "annotations")),
        )

    def _hook(self, body: Mapping[str, Any]) -> Hook:
        manifest = text(body.get("manifest"))
        weight = body.get("weight")
        return Hook(
            name=text(body.get("name")),
            kind=text(body.get("kind")),
            path=text(body.get("path")),
            events=tuple(text(event) for event in sequence(body, "events")),
            weight=weight if isinstance(weight, int) else 0,
            manifest=manifest,
            objects=tuple(self.objects(manifest).values()),
            phase=text(dig(body, "last_run", "phase")),
            started_at=moment(dig(body, "last_run", "started_at")),
        )

    def objects(self, manifest: str) -> Objects:
        if manifest not in self._parsed:
            try:
                documents = load_all(manifest)
            except YamlError as error:
                raise UndecodableError(f"its manifest is not YAML that can be read: {error}") from error
            self._parsed[manifest] = self._placed(list(flatten_lists(documents)))
        return self._parsed[manifest]

    def _placed(self, found: Iterable[Object]) -> Objects:
        found = [obj for obj in found if gvk_of(obj).kind and isinstance(obj.get("metadata"), dict)]
        scopes = _crd_scopes(found)
        return dict(self._place(obj, scopes) for obj in found)

    def _place(self, obj: Object, scopes: Mapping[tuple[str, str], bool]) -> tuple[ObjectRef, Object]:
        """The object with the namespace that Helm gives it; the last of several with one name counts."""
        gvk = gvk_of(obj)
        metadata = {key: value for key, value in obj["metadata"].items() if key != "namespace"}
        namespace = ""
        if self._namespaced(obj, scopes):
            namespace = text(obj["metadata"].get("namespace")) or self._release.namespace
            metadata["namespace"] = namespace
        return ObjectRef(gvk.group, gvk.kind, namespace, name_of(obj)), {**obj, "metadata": metadata}

    def _namespaced(self, obj: Object, scopes: Mapping[tuple[str, str], bool]) -> bool:
        resource = self._served.of(obj)
        if resource:
            return resource.namespaced
        key = (gvk_of(obj).group, gvk_of(obj).kind)
        return scopes.get(key, key not in GONE_CLUSTER_KINDS)


def objects_of(manifest: str, release: Release, served: Served) -> Objects:
    """The objects of rendered text. Raises UndecodableError where it is no YAML."""
    return Parser(release, served).objects(manifest)


def _crd_scopes(found: Iterable[Object]) -> dict[tuple[str, str], bool]:
    """Whether kinds are namespaced, from the CustomResourceDefinitions that stand in the same manifest."""
    definitions = [obj for obj in found if (gvk_of(obj).group, gvk_of(obj).kind) == CRD]
    return {
        (text(dig(each, "spec", "group")), text(dig(each, "spec", "names", "kind"))): dig(each, "spec", "scope")
        != "Cluster"
        for each in definitions
    }


def text(value: object) -> str:
    """A string of the record that surely can be encoded; "" where it is none (JSON may carry lone surrogates)."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def status(value: object) -> RevisionStatus:
    try:
        return RevisionStatus(value)
    except ValueError:
        return RevisionStatus.UNKNOWN


def rollback_of(info: Mapping[str, Any], description: str) -> int | None:
    """The revision that this one copied: recorded since Helm 4.3, before that only told in the description."""
    recorded = info.get("rollback_revision")
    if isinstance(recorded, int) and recorded > 0:
        return recorded
    told = _ROLLBACK.fullmatch(description)
    return int(told[1]) if told else None


def moment(value: object) -> datetime | None:
    """A time as Go writes it (up to nine decimals, any zone); None for Go's zero time and for anything else."""
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return None
    *parts, fraction, zone = found.groups()
    year, month, day, hour, minute, second = (int(part) for part in parts)
    micro = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        when = datetime(year, month, day, hour, minute, second, micro, tzinfo=_zone(zone))
        return when.astimezone(timezone.utc) if year > 1 else None
    except (ValueError, OverflowError):
        return None


def _zone(text_of_zone: str) -> timezone:
    if text_of_zone == "Z":
        return timezone.utc
    hours, minutes = text_of_zone[1:].split(":")
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if text_of_zone[0] == "-" else offset)


def digest(values: object) -> str:
    """sha256 of JSON values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def crds(files: Iterable[object]) -> dict[str, str]:
    """Names below the chart's crds/ with the sha256 of each; Helm never touches these again after the install."""
    found = {}
    for each in files:
        name = text(dig(each, "name"))
        if name.startswith("crds/"):
            found[name] = hashlib.sha256(_bytes(dig(each, "data"))).hexdigest()
    return found


def _bytes(data: object) -> bytes:
    try:
        return base64.b64decode(data) if isinstance(data, str) else b""
    except binascii.Error:
        return text(data).encode()


def marks(annotations: Mapping[str, Any]) -> dict[str, str]:
    """What Chart.yaml says to us: its annotations with our prefix."""
    return {str(key): str(value) for key, value in annotations.items() if str(key).startswith(PREFIX)}
