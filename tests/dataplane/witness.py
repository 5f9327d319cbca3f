"""A witness of the cluster: every state that objects of one namespace had, in the order in which they were written.

All objects lie in one etcd, so resourceVersions are positions in one history: what the endpoints were when a route was
written needs no clock and no luck.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import NamedTuple

from helm_safe.core.objects import Object, dig, labels_of, mapping, name_of, sequence
from helm_safe.sandbox.demo.stage import RELEASE, Stage

PATHS = {
    "HTTPRoute": "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
}
SERVICE_NAME = "kubernetes.io/service-name"


class Seen(NamedTuple):
    """One state of an object. version: its place in the history; gone: it was deleted there."""

    version: int
    gone: bool
    obj: Object

    @property
    def key(self) -> tuple[str, str]:
        return str(self.obj["kind"]), name_of(self.obj)


class Witness:
    """What was seen, the oldest first; `begun` is the place in the history from which on nothing was missed."""

    def __init__(self) -> None:
        self.begun = 0
        self._seen: list[Seen] = []
        self._lock = threading.Lock()

    def note(self, line: str) -> None:
        """One line of a watch."""
        event = json.loads(line)
        obj = event["object"]
        if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
            with self._lock:
                self._seen.append(Seen(int(obj["metadata"]["resourceVersion"]), event["type"] == "DELETED", obj))

    def list(self, kind: str, body: Object) -> str:
        """What there was at the beginning; returns the place in the history from which to watch on."""
        version = str(body["metadata"]["resourceVersion"])
        with self._lock:
            self.begun = max(self.begun, int(version))
            self._seen += [
                Seen(int(obj["metadata"]["resourceVersion"]), gone=False, obj={**obj, "kind": kind})
                for obj in body["items"]
            ]
        return version

    def history(self) -> list[Seen]:
        with self._lock:
            return sorted(self._seen, key=lambda each: each.version)

    def routes_written(self) -> int:
        """How many different rules the routes had."""
        rules = [json.dumps(dig(each.obj, "spec", "rules")) for each in self.history() if each.key[0] == "HTTPRoute"]
        return sum(1 for _ in groupby(rules))

    def replicas(self) -> list[int]:
        """The counts that the release's Deployment was asked for, one after the other."""
        states = [each.obj for each in self.history() if each.key == ("Deployment", RELEASE) and not each.gone]
        return [count for count, _ in groupby(int(dig(obj, "spec", "replicas") or 0) for obj in states)]

    def dark(self) -> list[str]:
        """Moments in which a route sent users to a Service without a ready endpoint, or to nobody at all."""
        state: dict[tuple[str, str], Object] = {}
        found = []
        for each in self.history():
            if each.gone:
                state.pop(each.key, None)
            else:
                state[each.key] = each.obj
            if each.version > self.begun:
                where = f"at {each.version}, watched from {self.begun} on, {'/'.join(each.key)}"
                found += [f"{where}: {words}" for words in _dark(state)]
        return found


@contextmanager
def witness(stage: Stage) -> Iterator[Witness]:
    """Watch the namespace until the block is left."""
    seen = Witness()
    watches = [_watch(stage, kind, path.format(stage.namespace), seen) for kind, path in PATHS.items()]
    try:
        yield seen
        assert all(process.poll() is None for process, _ in watches), "a watch ended early: something may be missed"
    finally:
        for process, thread in watches:
            process.kill()
            thread.join()
            process.communicate()


def _watch(stage: Stage, kind: str, path: str, seen: Witness) -> tuple[subprocess.Popen[str], threading.Thread]:
    """List, then watch from there on: a watch that begins by itself may begin with a state newer than `begun`."""
    version = seen.list(kind, json.loads(stage.kubectl("get", "--raw", path).stdout))
    command = ["kubectl", "get", "--raw", f"{path}?watch=true&resourceVersion={version}"]
    process = subprocess.Popen(command, env=stage.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def read() -> None:
        for line in process.stdout or ():
            if line.endswith("\n"):  # the last one may be cut by the end
                seen.note(line)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return process, thread


def _dark(state: dict[tuple[str, str], Object]) -> Iterator[str]:
    ready: dict[str, int] = {}
    for (kind, _), obj in state.items():
        if kind == "EndpointSlice":
            service = labels_of(obj).get(SERVICE_NAME, "")
            ready[service] = ready.get(service, 0) + sum(
                dig(each, "conditions", "ready") is True for each in sequence(obj, "endpoints")
            )
    for (kind, name), obj in state.items():
        for rule in sequence(obj, "spec", "rules") if kind == "HTTPRoute" else ():
            weights = {str(dig(ref, "name")): mapping(ref).get("weight", 1) for ref in sequence(rule, "backendRefs")}
            if not sum(weights.values()):
                yield f"{name} sends users nowhere: {weights}"
            for service, weight in weights.items():
                if weight and not ready.get(service):
                    yield f"{name} gives Service/{service} a weight of {weight}, and it has no ready endpoint; others: {ready}"
