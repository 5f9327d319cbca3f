"""The state that does not travel back: read now, and as it was photographed with the target."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from helm_safe.checks.boot import starts
from helm_safe.core.objects import Object, ObjectRef, dig, label_selector_matches, labels_of, mapping, sequence
from helm_safe.core.references import config_references
from helm_safe.core.workloads import container_name, containers, pod_template
from helm_safe.journal.photographs import photographs
from helm_safe.model.errors import ClusterError, HelmSafeError
from helm_safe.model.photograph import BadPhotograph, Photograph, State
from helm_safe.model.policy import Resolved
from helm_safe.model.resources import CONFIG_MAPS, PODS, SECRETS
from helm_safe.model.revisions import History, Release, Revision
from helm_safe.ports import Cluster
from helm_safe.registry import resolve
from helm_safe.rollback.addresses import Addresses, Dialer, NoAddress, check_written
from helm_safe.state import PROBES
from helm_safe.state.dialects import scheme_of

KINDS = ("database", "redis", "kafka")


def state_of(cluster: Cluster, history: History, current: Revision, target: Revision, settings: Resolved) -> State:
    """What is known now, and what was photographed of the target's content. Never raises for what cannot be read."""
    asked = frozenset(kind for kind in KINDS if settings.value(f"state.{kind}"))
    then, spoiled = _photograph_of(cluster, history, target)
    if not asked and then is None:
        return State(asked, None, None, spoiled)
    now = photograph(cluster, history.release, current, settings)
    return State(asked, now, then, spoiled, now.unread)


def photograph(cluster: Cluster, release: Release, revision: Revision, settings: Resolved) -> Photograph:
    """All that can be read now; what cannot is named in `unread`. Takes at most `state.timeout` seconds."""
    pods = _pods(cluster, release, revision)
    base = Photograph(
        taken=cluster.now(),
        revision=revision.number,
        content=revision.content,
        config=_config(cluster, release, revision),
        images=dict(_images(pods)),
        boots=_boots(revision, pods),
    )
    found, unread = _probed(cluster, release, revision, settings)
    return replace(base, **found, unread=unread)


def _probed(
    cluster: Cluster, release: Release, revision: Revision, settings: Resolved
) -> tuple[dict[str, Any], dict[str, str]]:
    """Every probe in a thread of its own, so that one that hangs costs its time and no more."""
    found, unread = {}, {}
    wanted = {kind: str(settings.value(f"state.{kind}")) for kind in KINDS if settings.value(f"state.{kind}")}
    for kind, written in wanted.items():
        check_written(kind, written)
    pool, places = ThreadPoolExecutor(max(len(wanted), 1)), Addresses(cluster, release, revision, os.environ)
    with ExitStack() as tunnels:
        begun: dict[str, Future[Any]] = {kind: pool.submit(_ask, places, kind, settings, tunnels) for kind in wanted}
        for kind, future in begun.items():
            try:
                found[kind] = future.result(timeout=float(settings.value("state.timeout")))
            except TooSlow:
                unread[kind] = f"it gave no answer within {settings.value('state.timeout'):.0f} s"
            except NoAddress as error:
                unread[kind] = str(error)
            except HelmSafeError as error:
                unread[kind] = " ".join(filter(None, (error.message, error.next_step)))
    pool.shutdown(wait=False, cancel_futures=True)
    return found, unread


def _ask(places: Addresses, kind: str, settings: Resolved, tunnels: ExitStack) -> Any:
    written = str(settings.value(f"state.{kind}"))
    address = places.of(kind, written)
    scheme = scheme_of(address) if "://" in address or kind == "database" else kind
    if scheme not in PROBES:
        raise NoAddress(f"what {written.partition('://')[0]} names is no address that could be read")
    dial = Dialer(places.cluster, places.release, tunnels)
    if kind == "kafka":
        registry = str(settings.value("state.registry") or "")
        return resolve(PROBES[scheme])(address, places.of("registry", registry) if registry else "", dial)
    return resolve(PROBES[scheme])(address, dial, places.cluster.now)


def _photograph_of(cluster: Cluster, history: History, target: Revision) -> tuple[Photograph | None, str]:
    """The newest snapshot of the target's content: a rollback and the revision that it copied share it."""
    try:
        kept = photographs(cluster, history.release)
    except ClusterError as error:
        return None, f"snapshots cannot be listed: {error.message}"
    same = [each.number for each in history.revisions if each.content == target.content]
    spoiled = ""
    for number in sorted(set(same) & set(kept), reverse=True):
        found = kept[number]
        if isinstance(found, BadPhotograph):
            spoiled = f"the snapshot of revision {number} {found}"
        elif found.content == target.content:
            return found, ""
    return None, spoiled


def _pods(cluster: Cluster, release: Release, revision: Revision) -> list[Object]:
    selectors = [mapping(obj, "spec", "selector") for obj in revision.objects.values()]
    try:
        pods = cluster.list(PODS, release.namespace).items
    except ClusterError:
        return []
    wanted = [each for each in selectors if each.get("matchLabels")]
    return [pod for pod in pods if any(label_selector_matches(each, labels_of(pod)) for each in wanted)]


def _images(pods: list[Object]) -> Iterator[tuple[str, str]]:
    """Image as written -> what the node says that it ran."""
    for pod in pods:
        for status in sequence(pod, "status", "containerStatuses"):
            if dig(status, "imageID"):
                yield str(dig(status, "image")), str(dig(status, "imageID"))


def _boots(revision: Revision, pods: list[Object]) -> dict[str, float]:
    """The slowest start of each workload's pods, container started to pod ready, in seconds."""
    found: dict[str, float] = {}
    for ref, obj in revision.objects.items():
        selector = mapping(obj, "spec", "selector")
        if not selector.get("matchLabels"):
            continue
        own = [pod for pod in pods if label_selector_matches(selector, labels_of(pod))]
        measured = [
            each for container in containers(pod_template(obj)) for each in starts(own, container_name(container))
        ]
        if measured:
            found[str(ref)] = max(measured)
    return found


def _config(cluster: Cluster, release: Release, revision: Revision) -> dict[str, str]:
    """Hash of the content of each ConfigMap and Secret that pods read and the release does not hold."""
    wanted: set[tuple[str, str]] = set()
    for ref, obj in revision.objects.items():
        for used in config_references(pod_template(obj)):
            if ObjectRef("", used.kind, ref.namespace, used.name) not in revision.objects:
                wanted.add((used.kind, used.name))
    found = {}
    for kind, name in sorted(wanted):
        resource = SECRETS if kind == "Secret" else CONFIG_MAPS
        try:
            obj = cluster.get(resource, release.namespace, name) or {}
        except ClusterError:
            continue
        if obj:
            found[f"{kind}/{name}"] = content_hash(obj)
    return found


def content_hash(obj: Mapping[str, Any]) -> str:
    """Of data and binaryData, as sha256."""
    body = json.dumps([mapping(obj, "data"), mapping(obj, "binaryData")], sort_keys=True, default=str)
    return "sha256:" + hashlib.sha256(body.encode()).hexdigest()
