"""What containers, pods, workloads, nodes and hooks show of a failure, each reading with its cause. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from helm_safe.core.objects import Object, dig, is_ready, mapping, name_of, sequence
from helm_safe.core.quantities import quantity
from helm_safe.core.workloads import all_containers
from helm_safe.model.collected import Belonging, Collected, Log, belonging, hook_runs, missing_references, workloads_of
from helm_safe.model.health import how_it_ended
from helm_safe.model.logged import in_log
from helm_safe.model.messages import Said, image_cause, read, read_start
from helm_safe.model.symptom import Symptom, failing, said
from helm_safe.model.times import parse_time

SERVING, BYSTANDER = 0.7, 0.5
LITTLE_CPU = 0.25  # cores: a JVM needs minutes for its start with less
_REPLACED = timedelta(seconds=60)
"""A kubelet tells of a crash loop several times a minute: a pod whose last such word is older was well when it went."""
_IMAGES = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError")
_NATIVE = {132: "illegal instruction", 134: "SIGABRT", 135: "SIGBUS", 139: "SIGSEGV"}
_PRESSURE = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")


def symptoms(collected: Collected, cpu_changed: frozenset[str] = frozenset()) -> list[Symptom]:
    """Everything that is shown. cpu_changed: workloads whose CPU differs between the revisions."""
    origins = {name_of(pod): belonging(pod, collected) for pod in collected.of_kind("Pod")}
    killed = dict(_probe_kills(collected))
    found: list[Symptom] = []
    for pod in collected.of_kind("Pod"):
        found += _pod(pod, origins[name_of(pod)], killed)
    found += _events(collected, origins, killed, cpu_changed)
    found += _workloads(collected)
    found += _nodes(collected, origins)
    found += _claims(collected, origins)
    found += _missing(collected)
    found += _hooks(collected)
    pods = {name_of(pod): pod for pod in collected.of_kind("Pod")}
    for log in collected.logs:
        found += in_log(log, origins.get(log.pod, Belonging()), _weight(log, pods))
    return found


def _weight(log: Log, pods: Mapping[str, Object]) -> float:
    """What an error in a log may say: less where its container serves, least where it is well beside one that fails."""
    pod = pods.get(log.pod)
    if pod is None or not failing(pod):
        return SERVING
    statuses = [*sequence(pod, "status", "containerStatuses"), *sequence(pod, "status", "initContainerStatuses")]
    mine = next((each for each in statuses if dig(each, "name") == log.container), None)
    well = dig(mine, "ready") is True and not dig(mine, "restartCount")
    return BYSTANDER if well and len(statuses) > 1 else 1.0


# --- pods ---


def _pod(pod: Object, origin: Belonging, killed: Mapping[tuple[str, str], str]) -> Iterator[Symptom]:
    where = f"Pod/{name_of(pod)}"
    status = mapping(pod, "status")
    if status.get("phase") == "Failed" and status.get("reason") in ("Evicted", "Preempting", "NodeLost"):
        words = f"{status.get('reason')}: {said(status.get('message'))}"
        yield Symptom("node", "", origin, where, words)
    for condition in sequence(status, "conditions"):
        if dig(condition, "reason") == "Unschedulable":
            yield _from(read(str(dig(condition, "message") or ""), "FailedScheduling"), origin, where, condition)
        if dig(condition, "type") == "DisruptionTarget" and dig(condition, "status") == "True":
            yield Symptom("node", "", origin, where, f"{dig(condition, 'reason')}: {said(dig(condition, 'message'))}")
    for field, main in (("initContainerStatuses", False), ("containerStatuses", True)):
        for each in sequence(status, field):
            place = f"{where} container {dig(each, 'name')}"
            probe = killed.get((name_of(pod), str(dig(each, "name"))), "")
            yield from _container(pod, each, origin, place, probe=probe, main=main)


def _from(read_: Said, origin: Belonging, where: str, shown: Any) -> Symptom:
    at = parse_time(str(dig(shown, "lastTransitionTime") or ""))
    return Symptom(read_.cause, read_.subject, origin, where, said(dig(shown, "message")), at)


def _container(pod: Object, status: Any, origin: Belonging, where: str, *, probe: str, main: bool) -> Iterator[Symptom]:
    """probe: the one for which the kubelet killed it, "" for none."""
    waiting = mapping(status, "state", "waiting")
    reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
    if reason in _IMAGES:
        image = _image(pod, status)
        cause = "image-name" if reason == "InvalidImageName" else image_cause(message)
        yield Symptom(cause or "image", image, origin, where, f"{reason}: {said(message)}")
    elif reason in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PostStartHookError"):
        found = read_start(message)
        yield Symptom(found.cause, found.subject, origin, where, f"{reason}: {said(message)}")
    if _last_end(status):
        yield from _ended(pod, status, origin, where, probe=probe, main=main)


def _last_end(status: Any) -> Object:
    return mapping(status, "lastState", "terminated") or mapping(status, "state", "terminated")


def _ended(pod: Object, status: Any, origin: Belonging, where: str, *, probe: str, main: bool) -> Iterator[Symptom]:
    """What the last end of a container says; the good end of a Job, of an init container or of a hook says nothing."""
    ended = _last_end(status)
    code = ended.get("exitCode")
    stays = main and (dig(pod, "spec", "restartPolicy") or "Always") == "Always"
    if code == 0 and not stays:
        return
    at = parse_time(str(ended.get("finishedAt") or ""))
    message = str(ended.get("message") or "")
    words = " ".join(filter(None, (how_it_ended(status), said(message))))
    faint = 0.6 if dig(status, "ready") and dig(status, "state", "running") else 1.0
    cause, subject = _cause_of_end(code, str(ended.get("reason") or ""), message, probe)
    if origin.hook and cause in ("crash", "ends"):
        cause, subject = "hook", origin.workload
    if cause:
        yield Symptom(cause, subject, origin, where, words, at, max(1, int(status.get("restartCount") or 1)), faint)


def _cause_of_end(code: object, reason: str, message: str, probe: str) -> tuple[str, str]:
    if reason == "OOMKilled":
        return "out-of-memory", ""
    if code in (126, 127) or reason in ("StartError", "ContainerCannotRun"):
        found = read_start(message)
        return ("command", "") if found.cause == "not-started" else (found.cause, found.subject)
    if code in (137, 143) and probe:
        return "", ""  # the event of the probe says more
    known = {0: "ends", 137: "killed", 128: "not-started"}
    if isinstance(code, int) and code in _NATIVE:
        return "native-crash", _NATIVE[code]
    return known.get(code if isinstance(code, int) else -1, "crash"), ""


def _image(pod: Object, status: Any) -> str:
    """As the pod's spec spells it."""
    name = dig(status, "name")
    found = next((each for each in all_containers(pod) if each.get("name") == name), {})
    return str(found.get("image") or dig(status, "image") or "")


# --- events ---


def _time_of(event: Object) -> datetime | None:
    stamps = (dig(event, "series", "lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next((at for at in (parse_time(str(stamp or "")) for stamp in stamps) if at), None)


_PROBE_KILL = re.compile(r"Container (\S+) failed (liveness|startup) probe")
_PROBE = re.compile(r"(Liveness|Readiness|Startup) probe (?:failed|errored)")


def _probe_kills(collected: Collected) -> Iterator[tuple[tuple[str, str], str]]:
    """(pod, container) -> the probe for which the kubelet killed it."""
    for event in collected.of_kind("Event"):
        found = _PROBE_KILL.search(str(event.get("message") or ""))
        if found and event.get("reason") == "Killing":
            yield (str(dig(event, "involvedObject", "name")), found[1]), found[2]


def _events(
    collected: Collected,
    origins: Mapping[str, Belonging],
    killed: Mapping[tuple[str, str], str],
    cpu_changed: frozenset[str],
) -> Iterator[Symptom]:
    names = collected.names()
    sets = [name for kind, name in names if kind == "ReplicaSet"]
    pods = {name_of(pod): pod for pod in collected.of_kind("Pod")}
    known: dict[tuple[str, str], Belonging] = {}
    for event in collected.of_kind("Event"):
        about = mapping(event, "involvedObject")
        kind, name = str(about.get("kind") or ""), str(about.get("name") or "")
        made_by = next((each for each in sets if kind == "Pod" and name.startswith(f"{each}-")), "")
        if (kind, name) not in names and not made_by:
            continue
        if (kind, name) not in known:
            gone = _origin_of("ReplicaSet", made_by, collected) if made_by else Belonging()
            known[kind, name] = origins.get(name, gone) if kind == "Pod" else _origin_of(kind, name, collected)
        if kind == "Pod" and name not in pods:
            yield from _replaced(event, known[kind, name], collected)
        yield from _event(event, known[kind, name], pods.get(name), killed, cpu_changed)


def _replaced(event: Object, origin: Belonging, collected: Collected) -> Iterator[Symptom]:
    """A pod of another revision that crashed until it was replaced; its Deployment takes such pods away first."""
    message, at, deployed = str(event.get("message") or ""), _time_of(event), collected.current.deployed_at
    other = origin.revision not in (0, collected.current.number)
    if not other or event.get("reason") != "BackOff" or not message.startswith("Back-off restarting failed"):
        return
    if at and deployed and deployed.tzinfo and at >= deployed - _REPLACED:
        where = f"Pod/{dig(event, 'involvedObject', 'name')} (gone)"
        yield Symptom("crash", "", origin, where, f"BackOff: {said(message)}", at)


def _origin_of(kind: str, name: str, collected: Collected) -> Belonging:
    """Of a ReplicaSet by its template; of any other object that of the current revision."""
    if kind == "ReplicaSet":
        made = next((each for each in collected.of_kind(kind) if name_of(each) == name), None)
        if made:
            template = mapping(made, "spec", "template")
            return belonging({**template, "metadata": {**mapping(template, "metadata"), "name": name}}, collected)
    if kind == "Job" and name in {hook.name for hook in collected.current.hooks}:
        return Belonging(f"Job/{name}", collected.current.number, hook=True)
    known = {(ref.kind, ref.name) for ref in workloads_of(collected)}
    return Belonging(f"{kind}/{name}" if (kind, name) in known else "", collected.current.number, collected.restored)


def _event(
    event: Object,
    origin: Belonging,
    pod: Object | None,
    killed: Mapping[tuple[str, str], str],
    cpu_changed: frozenset[str],
) -> Iterator[Symptom]:
    reason, message = str(event.get("reason") or ""), str(event.get("message") or "")
    about = mapping(event, "involvedObject")
    where, at = f"{about.get('kind')}/{about.get('name')}", _time_of(event)
    times = max(1, int(dig(event, "series", "count") or event.get("count") or 1))
    words = f"{reason}: {said(message)}"
    kill = _PROBE_KILL.search(message) if reason == "Killing" else None
    if kill:
        cause = "cpu" if kill[2] == "startup" and _slow(pod, kill[1], origin, cpu_changed) else "probe-kills"
        yield Symptom(cause, "" if cause == "cpu" else kill[2], origin, where, words, at, times)
    elif reason == "Unhealthy":
        probe = _PROBE.search(message)
        running = pod is not None and _runs(pod) and not is_ready(pod)
        if probe and running and not any(name == about.get("name") for name, _ in killed):
            yield Symptom("probe", probe[1].lower(), origin, where, words, at, times)
    else:
        found = read(message, reason)
        if found.cause in ("hook", "crash"):
            found = Said("hook", where) if origin.hook else Said("", "")
        if found.cause:
            yield Symptom(found.cause, found.subject, origin, where, words, at, times)


def _runs(pod: Object) -> bool:
    """Whether every container runs, and did not just come back from a crash."""
    found = sequence(pod, "status", "containerStatuses")
    return bool(found) and all(
        dig(each, "state", "running") and not dig(each, "lastState", "terminated") for each in found
    )


def _slow(pod: Object | None, container: str, origin: Belonging, cpu_changed: frozenset[str]) -> bool:
    if origin.workload in cpu_changed:
        return True
    found = next((each for each in all_containers(pod or {}) if each.get("name") == container), {})
    try:
        return quantity(dig(found, "resources", "limits", "cpu")) <= LITTLE_CPU
    except ValueError:
        return False


# --- what is not a pod ---


def _workloads(collected: Collected) -> Iterator[Symptom]:
    known = {(ref.kind, ref.name) for ref in workloads_of(collected)}
    for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"):
        for obj in collected.of_kind(kind):
            hook = kind == "Job" and name_of(obj) in {each.name for each in collected.current.hooks}
            if (kind, name_of(obj)) not in known and not hook and kind != "ReplicaSet":
                continue
            for condition in sequence(obj, "status", "conditions"):
                yield from _condition(kind, obj, condition, _origin_of(kind, name_of(obj), collected))


def _condition(kind: str, obj: Object, condition: Any, origin: Belonging) -> Iterator[Symptom]:
    where, reason = f"{kind}/{name_of(obj)}", str(dig(condition, "reason") or "")
    if reason == "ProgressDeadlineExceeded":
        yield Symptom("deadline", "", origin, where, f"{reason}: {said(dig(condition, 'message'))}")
    if dig(condition, "type") == "ReplicaFailure" and dig(condition, "status") == "True" and origin.workload:
        yield _from(read(str(dig(condition, "message") or ""), "FailedCreate"), origin, where, condition)
    if kind == "Job" and dig(condition, "type") == "Failed" and dig(condition, "status") == "True" and origin.hook:
        yield Symptom("hook", where, origin, where, f"{reason}: {said(dig(condition, 'message'))}")


def _nodes(collected: Collected, origins: Mapping[str, Belonging]) -> Iterator[Symptom]:
    """Nodes in trouble that carry failing pods; where others fail on good nodes as well, it is likely not the node."""
    trouble = {name_of(node): words for node in collected.of_kind("Node") if (words := _node_trouble(node))}
    known = {name_of(node) for node in collected.of_kind("Node")}
    bad = [pod for pod in collected.of_kind("Pod") if failing(pod)]
    elsewhere = any(dig(pod, "spec", "nodeName") in known - set(trouble) for pod in bad)
    # Whoever finds no node while all that are known are in trouble waits for one of those.
    awaited = next(iter(trouble), "") if known == set(trouble) else ""
    for pod in bad:
        node = str(dig(pod, "spec", "nodeName") or awaited)
        if node in trouble:
            where, faint = f"Node/{node}", 0.4 if elsewhere else 1.0
            yield Symptom("node", "", origins[name_of(pod)], where, _with(trouble[node], pod), faint=faint)


def _with(trouble: str, pod: Object) -> str:
    return f"{trouble}; {'it runs' if dig(pod, 'spec', 'nodeName') else 'no other takes'} Pod/{name_of(pod)}"


def _node_trouble(node: Object) -> str:
    for condition in sequence(node, "status", "conditions"):
        kind, status = dig(condition, "type"), dig(condition, "status")
        if (kind in _PRESSURE and status == "True") or (kind == "Ready" and status != "True"):
            return f"{kind} is {status}: {said(dig(condition, 'message'))}"
    return ""


def _claims(collected: Collected, origins: Mapping[str, Belonging]) -> Iterator[Symptom]:
    waiting = {
        name_of(each) for each in collected.of_kind("PersistentVolumeClaim") if dig(each, "status", "phase") != "Bound"
    }
    for pod in collected.of_kind("Pod"):
        for volume in sequence(pod, "spec", "volumes"):
            name = str(dig(volume, "persistentVolumeClaim", "claimName") or "")
            if name in waiting and failing(pod):
                where = f"PersistentVolumeClaim/{name}"
                yield Symptom(
                    "claim-pending", name, origins[name_of(pod)], where, f"not bound; Pod/{name_of(pod)} waits for it"
                )


def _missing(collected: Collected) -> Iterator[Symptom]:
    unwell = {belonging(pod, collected).workload for pod in collected.of_kind("Pod") if failing(pod)}
    for workload, each in missing_references(collected):
        origin = Belonging(workload, collected.current.number, collected.restored)
        faint = 1.0 if workload in unwell else 0.4
        there = any(name_of(obj) == each.name for obj in collected.of_kind(each.kind))
        if each.key and there:
            yield Symptom(
                "missing-key", f"key {each.key} of {each}", origin, workload, f"{each.where} needs it", faint=faint
            )
        else:
            yield Symptom("missing-object", str(each), origin, workload, f"{each.where} needs it", faint=faint)


def _hooks(collected: Collected) -> Iterator[Symptom]:
    current = collected.current
    for run in hook_runs(current):
        if run.failed:
            name = f"{run.hook.kind}/{run.hook.name}"
            yield Symptom(
                "hook", name, Belonging(name, current.number, hook=True), f"revision {current.number}", run.words
            )
    told = re.search(r"\b(?:pre|post)-(?:install|upgrade|rollback) hooks? failed[^\n]*", current.description)
    if told:
        hooks = [run for run in hook_runs(current) if run.failed]
        name = f"{hooks[0].hook.kind}/{hooks[0].hook.name}" if hooks else ""
        if name:
            words = said(current.description)
            yield Symptom("hook", name, Belonging(name, current.number, hook=True), "Helm's record", words)
