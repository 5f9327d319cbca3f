"""What differs between two revisions, in words that explain a failure; values are not among them. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from helm_safe.core.differences import differences
from helm_safe.core.objects import Object, ObjectRef, annotations_of, dig, mapping, sequence
from helm_safe.core.redact import redact, redact_object
from helm_safe.core.workloads import all_containers, container_name, pod_template, workload_of
from helm_safe.model.revisions import Hook, Revision

CONFIG, SECRET, OBJECT = "config", "secret", "object"
SHOWN = 160
"""Characters kept of one value."""
NONE = "none"
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
# field of a container -> kind of the hunk; where the values may be shown
_FIELDS = (("securityContext", "security"), ("volumeMounts", "mount"), ("ports", "ports"), ("lifecycle", "lifecycle"))
# field of a pod's spec -> kind of the hunk
_POD = (
    ("securityContext", "security"),
    ("volumes", "mount"),
    ("serviceAccountName", "account"),
    ("imagePullSecrets", "reference"),
    ("nodeSelector", "scheduling"),
    ("affinity", "scheduling"),
    ("tolerations", "scheduling"),
    ("topologySpreadConstraints", "scheduling"),
    ("priorityClassName", "scheduling"),
    ("runtimeClassName", "scheduling"),
    ("hostNetwork", "ports"),
    ("dnsPolicy", "network"),
    ("dnsConfig", "network"),
)
# field of a workload's spec -> kind of the hunk
_WORKLOAD = (
    ("replicas", "replicas"),
    ("strategy", "strategy"),
    ("updateStrategy", "strategy"),
    ("progressDeadlineSeconds", "strategy"),
    ("volumeClaimTemplates", "claim"),
)
_KINDS = {
    "NetworkPolicy": "network",
    "Service": "network",
    "PersistentVolumeClaim": "claim",
    "HorizontalPodAutoscaler": "replicas",
    "ResourceQuota": "quota",
    "LimitRange": "quota",
    "ServiceAccount": "account",
}


class Hunk(NamedTuple):
    """One difference. kind: what it is about. object: "Deployment/api". field: where. before, after: NONE where absent.

    Values of variables, keys of ConfigMaps and Secrets are never shown: "changed", or a short hash.
    """

    kind: str
    object: str
    field: str
    before: str
    after: str

    @property
    def words(self) -> str:
        if self.before == self.after:
            return f"{self.object} {self.field} changed"
        return f"{self.object} {self.field}: {self.before} → {self.after}"

    def mentions(self, name: str) -> bool:
        """Whether it is about something of that name."""
        return bool(name) and any(name in part for part in (self.object, self.field, self.before, self.after))


def hunks(before: Revision, after: Revision) -> list[Hunk]:
    """All that changed from one revision to a later one, in the order of their manifests."""
    found = list(_chart(before, after))
    for ref in {**before.objects, **after.objects}:
        found += _object(ref, before.objects.get(ref), after.objects.get(ref))
    return [*found, *_hooks(before, after)]


def shown(value: Any) -> str:
    """A value in few words, without secrets: names of variables, headers and flags tell which values are."""
    text = redact(_flat(redact_object({"value": value})["value"]))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _flat(value: Any) -> str:
    if value is None or value in ([], {}, ""):
        return NONE
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_flat(item)}" for key, item in value.items())
    if isinstance(value, list):
        return " ".join(map(_flat, value))
    return " ".join(str(value).split())


def _chart(before: Revision, after: Revision) -> Iterator[Hunk]:
    for field in ("chart", "chart_version", "app_version"):
        one, two = getattr(before, field), getattr(after, field)
        if one != two:
            yield Hunk("chart", "the chart's", field.replace("_", " "), one or NONE, two or NONE)


def _object(ref: ObjectRef, before: Object | None, after: Object | None) -> Iterator[Hunk]:
    kind = _KINDS.get(ref.kind, OBJECT)
    if before is None or after is None:
        there = "in the manifest"
        yield Hunk(kind, str(ref), "", NONE if before is None else there, NONE if after is None else there)
        return
    if before == after:
        return
    if ref.kind in ("ConfigMap", "Secret") and not ref.group:
        yield from _keys(ref, before, after)
    elif workload_of(after):
        yield from _workload(str(ref), before, after)
    else:
        changed = dict.fromkeys([*differences(before, after), *differences(after, before)])
        for path in list(changed)[:5]:
            yield Hunk(kind, str(ref), path, "", "")


def _keys(ref: ObjectRef, before: Object, after: Object) -> Iterator[Hunk]:
    one, two = (_hashes(obj) for obj in (before, after))
    for key in {**one, **two}:
        if one.get(key) != two.get(key):
            pair = (_shown_hash(ref, each.get(key)) for each in (one, two))
            yield Hunk(SECRET if ref.kind == "Secret" else CONFIG, str(ref), f"key {key}", *pair)


def _shown_hash(ref: ObjectRef, digest: str | None) -> str:
    """Hashes of a Secret's values say nothing that is needed, and short values can be guessed from them."""
    if digest is None:
        return NONE
    return "set" if ref.kind == "Secret" else f"sha256:{digest}"


def _hashes(obj: Object) -> dict[str, str]:
    values = {**mapping(obj, "data"), **mapping(obj, "binaryData"), **mapping(obj, "stringData")}
    return {
        str(key): hashlib.sha256(str(value).encode("utf-8", "replace")).hexdigest()[:8] for key, value in values.items()
    }


def _workload(name: str, before: Object, after: Object) -> Iterator[Hunk]:
    for field, kind in _WORKLOAD:
        yield from _field(kind, name, field, mapping(before, "spec"), mapping(after, "spec"))
    one, two = pod_template(before), pod_template(after)
    for field, kind in _POD:
        yield from _field(kind, name, field, mapping(one, "spec"), mapping(two, "spec"))
    old, new = ({container_name(each): each for each in all_containers(side)} for side in (one, two))
    for container in {**old, **new}:
        yield from _container(name, container, old.get(container), new.get(container))
    for key in sorted({*annotations_of(one), *annotations_of(two)}):
        told_elsewhere = key.startswith("checksum/")
        if not told_elsewhere and annotations_of(one).get(key) != annotations_of(two).get(key):
            yield Hunk("template", name, f"annotation {key}", "", "")


def _field(kind: str, owner: str, field: str, before: Object, after: Object, *, where: str = "") -> Iterator[Hunk]:
    one, two = before.get(field), after.get(field)
    if one != two:
        yield Hunk(kind, owner, where + field, shown(one), shown(two))


def _container(owner: str, name: str, before: Object | None, after: Object | None) -> Iterator[Hunk]:
    where = f"container {name}: "
    if before is None or after is None:
        pair = (shown(dig(each, "image")) for each in (before, after))
        yield Hunk("image", owner, f"container {name}", *pair)
        return
    yield from _field("image", owner, "image", before, after, where=where)
    for field in ("command", "args"):
        yield from _field("command", owner, field, before, after, where=where)
    yield from _limits(owner, where, before, after)
    for field in _PROBES:
        yield from _field("probes", owner, field, before, after, where=where)
    for field, kind in _FIELDS:
        yield from _field(kind, owner, field, before, after, where=where)
    yield from _variables(owner, where, before, after)


def _limits(owner: str, where: str, before: Object, after: Object) -> Iterator[Hunk]:
    for part in ("requests", "limits"):
        one, two = (mapping(each, "resources", part) for each in (before, after))
        for name in {**one, **two}:
            yield from _field("resources", owner, name, one, two, where=f"{where}{part}.")


def _variables(owner: str, where: str, before: Object, after: Object) -> Iterator[Hunk]:
    """Names, and where the value comes from; no value."""
    one, two = ({str(dig(each, "name")): each for each in sequence(side, "env")} for side in (before, after))
    for name in {**one, **two}:
        if one.get(name) != two.get(name):
            pair = (_source(each.get(name)) for each in (one, two))
            yield Hunk("env", owner, f"{where}variable {name}", *pair)
    sources: Callable[[Object], list[str]] = lambda side: [  # noqa: E731 - used twice, right here
        f"{kind.removesuffix('Ref')} {dig(each, kind, 'name')}"
        for each in sequence(side, "envFrom")
        for kind in ("configMapRef", "secretRef")
        if dig(each, kind)
    ]
    if sources(before) != sources(after):
        yield Hunk("reference", owner, f"{where}envFrom", shown(sources(before)), shown(sources(after)))


def _source(variable: Any) -> str:
    if variable is None:
        return NONE
    for kind, words in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if found := dig(variable, "valueFrom", kind):
            return f"{words}/{dig(found, 'name')} key {dig(found, 'key')}"
    return "set"


def _hooks(before: Revision, after: Revision) -> Iterator[Hunk]:
    one, two = ({f"{each.kind}/{each.name}": each for each in side.hooks} for side in (before, after))
    for name in {**one, **two}:
        old, new = one.get(name), two.get(name)
        if old is None or new is None or old.manifest != new.manifest:
            yield Hunk("hook", name, f"hook ({_events(new or old)})", _images(old), _images(new))


def _events(hook: Hook | None) -> str:
    return ", ".join(hook.events) if hook else ""


def _images(hook: Hook | None) -> str:
    if hook is None:
        return NONE
    found = [str(each.get("image")) for obj in hook.objects for each in all_containers(pod_template(obj))]
    return " ".join(found) or "in the manifest"
