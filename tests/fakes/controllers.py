"""The controllers of a cluster, played over a FakeCluster: pods come up and go, endpoints follow, routes are accepted.

Time is the fake clock's. Pods need a while until they are ready, a rollout keeps the old ones until the new ones are,
and autoscalers shrink what gets no traffic: what a staged rollback has to survive.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from helm_safe.core.objects import Object, dig, labels_of, mapping, name_of, namespace_of, selects, sequence
from helm_safe.model.asking import Proxied
from helm_safe.model.errors import Missing
from tests.fakes.cluster import FakeCluster

SERVICE_NAME = "kubernetes.io/service-name"
OURS = "endpointslice-controller.k8s.io"
HASH = "pod-template-hash"


class Behaviour(NamedTuple):
    """What the pods of an image do.

    errors: 0..1, requests of users that fail. polite: the path of the probe answers all the same. start: seconds until
    they are ready.
    """

    ready: bool = True
    errors: float = 0.0
    polite: bool = False
    start: float = 3.0
    crashes: bool = False


GOOD = Behaviour()
FAILING = Behaviour(errors=0.4)
POLITE = Behaviour(errors=0.4, polite=True)
DEAD = Behaviour(ready=False)
CRASHING = Behaviour(ready=False, crashes=True)


class Controllers:
    """behaviours: by tag of the image, or by the value of `mode` in a ConfigMap that the pod reads; others are good.

    busy: pods that an autoscaler wants for a workload with traffic. passed: the seconds of the fake clock. by_name:
    Services that users reach without a route.
    """

    def __init__(self, cluster: FakeCluster, behaviours: Mapping[str, Behaviour], busy: int = 1) -> None:
        self.cluster = cluster
        self.busy = busy
        self.behaviours = dict(behaviours)
        self.passed = 0.0
        self.by_name: set[str] = set()
        self._pods: dict[str, tuple[Behaviour, float]] = {}
        self._serial = 0
        self._seen = -1
        self._due = float("inf")
        self._templates: dict[str, Object] = {}

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.passed += seconds
        self.run()

    def on_write(self, verb: str, obj: Object) -> None:
        if obj.get("kind") not in ("Secret", "Lease"):
            self.run()

    def run(self) -> None:
        """Until nothing is left to do."""
        while self.cluster._version != self._seen or self.passed >= self._due:
            self._seen, self._due = self.cluster._version, float("inf")
            for hpa in self._of("HorizontalPodAutoscaler"):
                self._autoscale(hpa)
            for deployment in self._of("Deployment"):
                self._roll(deployment)
            for stateful in self._of("StatefulSet"):
                self._roll_in_order(stateful)
            for service in self._of("Service"):
                self._slice(service)
            for route in self._of("HTTPRoute"):
                self._accept(route)

    def evict(self, name: str) -> None:
        """Let other pods take the place of those of a Deployment."""
        for pod in self._of("Pod"):
            if dig(pod, "metadata", "ownerReferences", 0, "name") == name:
                self._remove(pod)
        self.run()

    def behind(self, namespace: str, service: str) -> list[Behaviour]:
        """What the ready endpoints of a Service do, those lent by slices of others included."""
        ips = {
            address
            for piece in self._of("EndpointSlice")
            if namespace_of(piece) == namespace and labels_of(piece).get(SERVICE_NAME) == service
            for endpoint in sequence(piece, "endpoints")
            if dig(endpoint, "conditions", "ready") is not False
            for address in sequence(endpoint, "addresses")
        }
        pods = [pod for pod in self._of("Pod") if dig(pod, "status", "podIP") in ips]
        return [self._pods[name_of(pod)][0] for pod in pods]

    def answer(self, name: str, method: str, path: str) -> Proxied:
        """A pod's word to a request through the API server."""
        behaviour, _ = self._pods[name]
        pod = next((pod for pod in self._of("Pod") if name_of(pod) == name), None)
        if pod is None:
            raise Missing(f'pods "{name}" not found', status=404, reason="NotFound")
        if not _is_ready(pod):
            return Proxied(0, {}, b"connection refused", 0.0)
        return Proxied(500 if behaviour.errors and not behaviour.polite else 200, {}, b"ok", 0.02)

    # --- inside ---

    def _of(self, kind: str) -> list[Object]:
        return [obj for key, obj in list(self.cluster.objects.items()) if key[1] == kind]

    def _roll(self, deployment: Object) -> None:
        """Pods of the newest template come at once and are ready later; older ones go when those are.

        A Deployment of the strategy Recreate lets the older ones go first.
        """
        wanted = _count(deployment)
        digest = _digest(dig(deployment, "spec", "template"))
        owned = [self._grown(pod) for pod in self._of("Pod") if _owner(pod) == dig(deployment, "metadata", "uid")]
        new = [pod for pod in owned if labels_of(pod).get(HASH) == digest]
        old = [pod for pod in owned if labels_of(pod).get(HASH) != digest]
        for pod in new[wanted:]:
            self._remove(pod)
        new = new[:wanted] + [self._start(deployment, digest) for _ in range(wanted - len(new))]
        ready = sum(map(_is_ready, new))
        if ready == wanted or dig(deployment, "spec", "strategy", "type") == "Recreate":
            for pod in old:
                self._remove(pod)
            old = []
        self._report(deployment, len(new), len(old), ready + sum(map(_is_ready, old)))

    def _report(self, deployment: Object, new: int, old: int, ready: int) -> None:
        numbers = {"replicas": new + old, "updatedReplicas": new, "readyReplicas": ready, "availableReplicas": ready}
        self._status(deployment, {"observedGeneration": deployment["metadata"]["generation"], **numbers})

    def _roll_in_order(self, stateful: Object) -> None:
        """Pods with numbers, one at a time: missing ones first, then from the last down to the partition.

        Like the real controller with OrderedReady it touches nothing while a pod is not ready.
        """
        wanted, uid = _count(stateful), dig(stateful, "metadata", "uid")
        digest = _digest(stateful["spec"]["template"])
        self._templates[digest] = copy.deepcopy(stateful["spec"]["template"])
        before = str(dig(stateful, "status", "currentRevision") or digest)
        partition = int(dig(stateful, "spec", "updateStrategy", "rollingUpdate", "partition") or 0)
        pods = {int(name_of(pod).rpartition("-")[2]): self._grown(pod) for pod in self._of("Pod") if _owner(pod) == uid}
        for number in [number for number in pods if number >= wanted]:
            self._remove(pods.pop(number))
        for number in range(wanted):
            if number not in pods:
                made = digest if number >= partition else before
                pods[number] = self._start(stateful, made, self._templates[made], str(number))
            if not _is_ready(pods[number]):
                break
        else:
            old = [number for number in range(partition, wanted) if labels_of(pods[number]).get(HASH) != digest]
            if old:
                self._remove(pods.pop(old[-1]))
                pods[old[-1]] = self._start(stateful, digest, self._templates[digest], str(old[-1]))
        updated = sum(labels_of(pod).get(HASH) == digest for pod in pods.values())
        ready = sum(map(_is_ready, pods.values()))
        whole = updated == ready == wanted and not partition
        numbers = {"replicas": len(pods), "readyReplicas": ready, "updatedReplicas": updated}
        numbers |= {"currentReplicas": updated if whole else len(pods) - updated}
        revisions = {"currentRevision": digest if whole else before, "updateRevision": digest}
        generation = {"observedGeneration": stateful["metadata"]["generation"]}
        self._status(stateful, {**generation, **numbers, **revisions})

    def _start(self, owning: Object, digest: str, template: Object | None = None, tail: str = "") -> Object:
        """tail: the number of a pod of a StatefulSet."""
        deployment, template = owning, template or owning["spec"]["template"]
        self._serial += 1
        name = f"{name_of(deployment)}-{tail}" if tail else f"{name_of(deployment)}-{digest}-{self._serial}"
        kind = str(owning.get("kind") or "Deployment")
        owner = {"apiVersion": "apps/v1", "kind": kind, "name": name_of(deployment), "controller": True}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": namespace_of(deployment),
                "labels": {**mapping(template, "metadata", "labels"), HASH: digest},
                "annotations": dict(mapping(template, "metadata", "annotations")),
                "ownerReferences": [{**owner, "uid": deployment["metadata"]["uid"]}],
            },
            "spec": copy.deepcopy(template["spec"]),
        }
        self._pods[name] = (self._behaviour(namespace_of(deployment), template["spec"]), self.passed)
        self.cluster.servers[namespace_of(deployment), name] = partial(self.answer, name)
        pod["status"] = self._pod_status(pod)
        return self.cluster.put(pod)

    def _behaviour(self, namespace: str, spec: Object) -> Behaviour:
        """By the configuration that the pod starts with, else by its image."""
        for container in sequence(spec, "containers"):
            for source in sequence(container, "envFrom"):
                config = self.cluster.find("ConfigMap", str(dig(source, "configMapRef", "name")), namespace)
                mode = str(dig(config or {}, "data", "mode"))
                if mode in self.behaviours:
                    return self.behaviours[mode]
        return self.behaviours.get(tag_of({"spec": spec}), GOOD)

    def _grown(self, pod: Object) -> Object:
        """The pod as it is by now."""
        status = self._pod_status(pod)
        return self._status(pod, status)

    def _pod_status(self, pod: Object) -> Object:
        behaviour, born = self._pods[name_of(pod)]
        ready = behaviour.ready and self.passed >= born + behaviour.start
        if behaviour.ready and not ready:
            self._due = min(self._due, born + behaviour.start)
        state: Object = {"running": {"startedAt": pod["metadata"].get("creationTimestamp", "")}}
        if behaviour.crashes:
            state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}}
        container = {"name": "app", "ready": ready, "restartCount": 0, "state": state}
        number = int(name_of(pod).rpartition("-")[2])
        return {
            "phase": "Running",
            "podIP": f"10.0.{number // 250}.{number % 250 + 1}",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [container],
        }

    def _remove(self, pod: Object) -> None:
        self.cluster.objects.pop(("", "Pod", namespace_of(pod), name_of(pod)))
        self.cluster._remember("DELETED", pod)

    def _slice(self, service: Object) -> None:
        """The endpoints of a Service; slices of others are theirs."""
        selector = mapping(service, "spec", "selector")
        if not selector:
            return
        namespace, name = namespace_of(service), name_of(service)
        pods = [pod for pod in self._of("Pod") if namespace_of(pod) == namespace and selects(selector, labels_of(pod))]
        port = dig(service, "spec", "ports", 0)
        wanted = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"{name}-auto",
                "namespace": namespace,
                "labels": {SERVICE_NAME: name, "endpointslice.kubernetes.io/managed-by": OURS},
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "Service", "name": name, "uid": service["metadata"]["uid"]}
                ],
            },
            "addressType": "IPv4",
            "ports": [{"name": str(dig(port, "name") or ""), "port": 8080, "protocol": "TCP"}],
            "endpoints": [
                {
                    "addresses": [dig(pod, "status", "podIP")],
                    "conditions": {"ready": _is_ready(pod)},
                    "targetRef": {"kind": "Pod", "name": name_of(pod)},
                }
                for pod in pods
            ],
        }
        live = self.cluster.objects.get(("discovery.k8s.io", "EndpointSlice", namespace, f"{name}-auto"))
        if live is None or live["endpoints"] != wanted["endpoints"]:
            self.cluster.put(wanted)

    def _accept(self, route: Object) -> None:
        """The gateway's word on a route: a backend that does not exist is told."""
        names = {str(dig(ref, "name")) for ref in _backends(route)}
        missing = sorted(name for name in names if not self.cluster.find("Service", name, namespace_of(route)))
        generation = route["metadata"]["generation"]
        conditions = [
            {"type": "Accepted", "status": "True", "reason": "Accepted", "observedGeneration": generation},
            {
                "type": "ResolvedRefs",
                "status": "False" if missing else "True",
                "reason": "BackendNotFound" if missing else "ResolvedRefs",
                "observedGeneration": generation,
            },
        ]
        parents = [{"parentRef": ref, "conditions": conditions} for ref in sequence(route, "spec", "parentRefs")]
        self._status(route, {"parents": parents})

    def _autoscale(self, hpa: Object) -> None:
        """An impatient autoscaler: a workload without traffic goes to its least size at once, one with it to `busy`."""
        name = str(dig(hpa, "spec", "scaleTargetRef", "name"))
        deployment = self.cluster.objects.get(("apps", "Deployment", namespace_of(hpa), name))
        if deployment is None or not _count(deployment):
            return
        low, high = int(dig(hpa, "spec", "minReplicas") or 1), int(hpa["spec"]["maxReplicas"])
        wanted = min(max(low, 0 if self._idle(deployment) else self.busy), high)
        if wanted != _count(deployment):
            self.cluster.put({**deployment, "spec": {**deployment["spec"], "replicas": wanted}})

    def _idle(self, deployment: Object) -> bool:
        labels = mapping(deployment, "spec", "template", "metadata", "labels")
        doors = {
            name_of(service) for service in self._of("Service") if selects(mapping(service, "spec", "selector"), labels)
        }
        if doors & self.by_name:
            return False
        return not any(
            weight_of(ref) for route in self._of("HTTPRoute") for ref in _backends(route) if ref["name"] in doors
        )

    def _status(self, obj: Object, status: Object) -> Object:
        if obj.get("status") == status:
            return obj
        return self.cluster.put({**obj, "status": status})


def weight_of(ref: Object) -> int:
    """The weight of a backend of a route; an absent one is 1."""
    return int(ref.get("weight", 1))


def tag_of(pod: Object) -> str:
    """The tag of a pod's image."""
    return str(dig(pod, "spec", "containers", 0, "image")).rpartition(":")[2]


def _backends(route: Object) -> Iterator[dict[str, Any]]:
    for rule in sequence(route, "spec", "rules"):
        yield from sequence(rule, "backendRefs")


def _is_ready(pod: Object) -> bool:
    return bool(dig(pod, "status", "conditions", 0, "status") == "True")


def _owner(pod: Object) -> Any:
    return dig(pod, "metadata", "ownerReferences", 0, "uid")


def _count(deployment: Object) -> int:
    count = dig(deployment, "spec", "replicas")
    return 1 if count is None else int(count)


def _digest(template: Any) -> str:
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:8]
