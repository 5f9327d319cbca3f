"""An autopsy as a document: what is to blame, what differs, what was seen when. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from helm_safe.core.objects import Object, dig, is_ready, labels_of, mapping, name_of, sequence
from helm_safe.model.collected import Collected, belonging, hook_runs, missing_references
from helm_safe.model.health import how_it_ended, restarts_of, state_of
from helm_safe.model.resources import SERVICE_NAME
from helm_safe.model.revisions import Revision
from helm_safe.model.suspicions import Judgement
from helm_safe.model.symptom import said
from helm_safe.model.times import parse_time

MAX_PODS, MAX_EVENTS, MAX_HUNKS = 200, 60, 100


def document(collected: Collected, judgement: Judgement) -> dict[str, Any]:
    """The published shape (schema autopsy)."""
    previous = collected.previous
    return {
        "release": collected.release.name,
        "namespace": collected.release.namespace,
        "at": collected.now.isoformat(),
        "current": _revision(collected.current),
        "previous": _revision(previous) if previous else None,
        "advice": judgement.advice.value if judgement.advice else "",
        "summary": judgement.sentence,
        "suspicions": [each.to_json() for each in judgement.suspicions],
        "difference": [hunk._asdict() for hunk in judgement.difference[:MAX_HUNKS]],
        "hooks": [run.words for run in hook_runs(collected.current)],
        "pods": [_pod(pod, collected) for pod in collected.of_kind("Pod")[:MAX_PODS]],
        "rollouts": list(_rollouts(collected)),
        "missing": [f"{workload}: {each.where} needs {each}" for workload, each in missing_references(collected)],
        "endpoints": _endpoints(collected),
        "quotas": [_quota(each) for each in collected.of_kind("ResourceQuota")],
        "claims": [
            {"name": name_of(each), "phase": str(dig(each, "status", "phase") or "")}
            for each in collected.of_kind("PersistentVolumeClaim")
        ],
        "nodes": [_node(each) for each in collected.of_kind("Node")],
        "events": [event._asdict() for event in events(collected)[:MAX_EVENTS]],
        "timeline": [{"at": at.isoformat(), "what": words} for at, words in timeline(collected)],
        "notes": [*collected.notes, *judgement.notes],
    }


class Event(NamedTuple):
    """Events alike as one: same reason, same kind of object, same message but for names and numbers."""

    object: str
    reason: str
    message: str
    times: int
    first: str
    last: str


def events(collected: Collected) -> list[Event]:
    """The release's events, alike ones once, the most frequent first."""
    names = collected.names()
    found: dict[tuple[str, str, str], Event] = {}
    for each in collected.of_kind("Event"):
        about = mapping(each, "involvedObject")
        kind, name = str(about.get("kind") or ""), str(about.get("name") or "")
        if (kind, name) not in names or (each.get("type") == "Normal" and each.get("reason") != "Killing"):
            continue
        message = said(each.get("message"))
        first, last = (str(each.get(key) or each.get("eventTime") or "") for key in ("firstTimestamp", "lastTimestamp"))
        times = max(1, int(dig(each, "series", "count") or each.get("count") or 1))
        key = (kind, str(each.get("reason")), "".join(c for c in message.replace(name, "") if not c.isdigit()))
        known = found.get(key)
        found[key] = Event(
            known.object if known else f"{kind}/{name}",
            str(each.get("reason")),
            message,
            times + (known.times if known else 0),
            min(first, known.first) if known else first,
            max(last, known.last) if known else last,
        )
    return sorted(found.values(), key=lambda event: (-event.times, event.last))


def timeline(collected: Collected) -> list[tuple[datetime, str]]:
    """When revisions came, containers ended and events happened, in order; the last ones where there are many."""
    found = [
        (each.deployed_at, f"revision {each.number} ({each.status.value})")
        for each in collected.revisions[-5:]
        if each.deployed_at and each.deployed_at.tzinfo
    ]
    found += [(at, run.words) for run in hook_runs(collected.current) if (at := run.hook.started_at) and at.tzinfo]
    found += list(_ends(collected))
    for event in events(collected):
        at = parse_time(event.last)
        if at:
            found.append((at, f"{event.object}: {event.reason} ({event.times} times): {event.message}"))
    return sorted(found)[-MAX_EVENTS:]


def _ends(collected: Collected) -> Iterator[tuple[datetime, str]]:
    for pod in collected.of_kind("Pod"):
        for status in sequence(pod, "status", "containerStatuses"):
            at = parse_time(str(dig(status, "lastState", "terminated", "finishedAt") or ""))
            if at:
                yield at, f"Pod/{name_of(pod)} container {dig(status, 'name')} {how_it_ended(status)}"


def _revision(revision: Revision) -> dict[str, Any]:
    return {
        "revision": revision.number,
        "status": revision.status.value,
        "deployedAt": revision.deployed_at.isoformat() if revision.deployed_at else "",
        "chart": f"{revision.chart}-{revision.chart_version}",
        "appVersion": revision.app_version,
        "description": said(revision.description),
    }


def _pod(pod: Object, collected: Collected) -> dict[str, Any]:
    origin = belonging(pod, collected)
    ends = [how_it_ended(status) for status in sequence(pod, "status", "containerStatuses") if how_it_ended(status)]
    return {
        "name": name_of(pod),
        "workload": origin.workload,
        "revision": origin.revision,
        "state": state_of(pod),
        "ready": is_ready(pod),
        "restarts": restarts_of(pod),
        "ended": ends[0] if ends else "",
        "node": str(dig(pod, "spec", "nodeName") or ""),
    }


def _rollouts(collected: Collected) -> Iterator[dict[str, Any]]:
    names = {(ref.kind, ref.name) for side in collected.sides for ref in side.objects}
    for kind in ("Deployment", "StatefulSet", "DaemonSet"):
        for obj in collected.of_kind(kind):
            if (kind, name_of(obj)) in names:
                yield {
                    "workload": f"{kind}/{name_of(obj)}",
                    "replicas": dig(obj, "spec", "replicas"),
                    "status": {key: value for key, value in mapping(obj, "status").items() if isinstance(value, int)},
                    "conditions": [
                        f"{dig(each, 'type')}={dig(each, 'status')} {dig(each, 'reason')}: {said(dig(each, 'message'))}"
                        for each in sequence(obj, "status", "conditions")
                    ],
                }


def _endpoints(collected: Collected) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for piece in collected.of_kind("EndpointSlice"):
        row = found.setdefault(str(labels_of(piece).get(SERVICE_NAME)), {"ready": 0, "notReady": 0})
        for endpoint in sequence(piece, "endpoints"):
            row["notReady" if dig(endpoint, "conditions", "ready") is False else "ready"] += 1
    return found


def _quota(quota: Object) -> dict[str, Any]:
    return {
        "name": name_of(quota),
        "hard": mapping(quota, "status", "hard") or mapping(quota, "spec", "hard"),
        "used": mapping(quota, "status", "used"),
    }


def _node(node: Object) -> dict[str, Any]:
    conditions = {str(dig(each, "type")): str(dig(each, "status")) for each in sequence(node, "status", "conditions")}
    return {"name": name_of(node), "conditions": conditions}
