"""A release that fails, as controllers and kubelets leave it: two revisions, their ReplicaSets and pods, events, logs."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from helm_safe.core.objects import Object, dig
from helm_safe.model.revisions import Hook, RevisionStatus
from helm_safe.model.suspicions import Judgement
from helm_safe.rollback.autopsy import Inquest, asked_of, inquire
from helm_safe.rollback.context import World
from tests.fakes.cluster import FakeCluster
from tests.fakes.releases import FakeReleases
from tests.fakes.runs import RELEASE, START, FakeClock, FakeReporter, NoMetrics, nobody

NAMESPACE, NAME = RELEASE.namespace, RELEASE.name
WORKLOAD = f"Deployment/{NAME}"


def stamp(seconds: float = -60) -> str:
    return (START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def workload(tag: str = "1", name: str = NAME, **container: Any) -> Object:
    """The Deployment of a revision; container: fields of its only container, `pod` those of the pod's spec."""
    pod = container.pop("pod", {})
    spec = {"name": "app", "image": f"shop/{name}:{tag}", **container}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [spec], **pod}},
        },
    }


def thing(kind: str, name: str, api: str = "v1", **body: Any) -> Object:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, **body}


def crashed(code: int = 1, reason: str = "Error", restarts: int = 5, message: str = "") -> Object:
    """A container in a crash loop."""
    ended = {"exitCode": code, "reason": reason, "finishedAt": stamp(), **({"message": message} if message else {})}
    return {
        "ready": False,
        "restartCount": restarts,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}},
        "lastState": {"terminated": ended},
    }


def waiting(reason: str, message: str = "") -> Object:
    return {"ready": False, "restartCount": 0, "state": {"waiting": {"reason": reason, "message": message}}}


def running(*, ready: bool = False) -> Object:
    return {"ready": ready, "restartCount": 0, "state": {"running": {"startedAt": stamp(-200)}}}


class Failing:
    """Revision 1 was good for hours; revision 2 came five minutes ago. `hooks` are those of revision 2."""

    def __init__(
        self,
        folder: Path,
        before: tuple[Object, ...] = (),
        after: tuple[Object, ...] = (),
        *,
        hooks: tuple[Hook, ...] = (),
        status: RevisionStatus = RevisionStatus.DEPLOYED,
        description: str = "",
    ) -> None:
        self.cluster, self.clock, self.releases = FakeCluster(), FakeClock(), FakeReleases()
        self.cluster.clock = self.clock.now
        self.before, self.after = before or (workload("1"),), after or (workload("2"),)
        self.releases.upgrade(RELEASE, *self.before, at=START - timedelta(hours=5))
        self.releases.upgrade(
            RELEASE, *self.after, at=START - timedelta(minutes=5), hooks=hooks, status=status, description=description
        )
        for obj in self.after:
            self.cluster.put(obj)
        for number, side in ((1, self.before), (2, self.after)):
            for obj in side:
                if obj["kind"] == "Deployment":
                    self.cluster.put(self._set(obj, number))
        self.world = World(
            self.cluster, self.releases, self.clock, FakeReporter(), folder, lambda _: NoMetrics(), nobody
        )
        self.events = 0

    def _set(self, deployment: Object, number: int) -> Object:
        template = copy.deepcopy(deployment["spec"]["template"])
        name = f"{deployment['metadata']['name']}-{number}"
        owner = {"kind": "Deployment", "name": deployment["metadata"]["name"], "uid": f"uid-{name}"}
        made = thing("ReplicaSet", name, "apps/v1", spec={"template": template, **_selector(deployment)})
        made["metadata"] |= {"labels": template["metadata"]["labels"], "ownerReferences": [owner]}
        return made

    def pod(self, status: Object, revision: int = 2, *, name: str = NAME, suffix: str = "a", **more: Any) -> str:
        """A pod of the revision's ReplicaSet; status: of its container `app`, more: of the pod."""
        side = self.before if revision == 1 else self.after
        template = next(obj for obj in side if obj["metadata"]["name"] == name)["spec"]["template"]
        full = f"{name}-{revision}-{suffix}"
        owner = {"kind": "ReplicaSet", "name": f"{name}-{revision}", "uid": f"uid-{revision}"}
        conditions = [{"type": "Ready", "status": "True" if status.get("ready") else "False"}]
        pod = thing("Pod", full, spec={"nodeName": "node-1", **copy.deepcopy(template["spec"])})
        pod["metadata"] |= {"labels": template["metadata"]["labels"], "ownerReferences": [owner]}
        statuses = [{"name": "app", **status}] if status else []
        pod["status"] = {"phase": "Running", "conditions": conditions, "containerStatuses": statuses, **more}
        self.cluster.put(pod)
        return full

    def hook_pod(self, job: str, status: Object, *, image: str = "shop/migrate:2", phase: str = "Failed") -> str:
        pod = thing(
            "Pod", f"{job}-x", spec={"restartPolicy": "Never", "containers": [{"name": "migrate", "image": image}]}
        )
        pod["metadata"]["labels"] = {"job-name": job}
        pod["status"] = {"phase": phase, "containerStatuses": [{"name": "migrate", **status}]}
        self.cluster.put(pod)
        return f"{job}-x"

    def event(self, about: str, reason: str, message: str, *, count: int = 3, at: float = -60, **more: Any) -> None:
        kind, _, name = about.partition("/")
        self.events += 1
        involved = {"kind": kind, "name": name, "namespace": NAMESPACE}
        times = {"firstTimestamp": stamp(at - 30), "lastTimestamp": stamp(at)}
        body = {"involvedObject": involved, "reason": reason, "message": message, "count": count, "type": "Warning"}
        self.cluster.put(thing("Event", f"e{self.events}", **body, **times, **more))

    def log(self, pod: str, *lines: str, container: str = "app", previous: bool = False) -> None:
        self.cluster.log_lines[NAMESPACE, pod, container, previous] = "".join(
            f"{stamp(-70)} {line}\n" for line in lines
        )

    def inquire(self) -> Inquest:
        history = self.releases.history(RELEASE)
        return inquire(self.world, asked_of(self.world, history, 1800.0))

    def judge(self) -> Judgement:
        return self.inquire().judgement

    def restore(self) -> None:
        """Revision 3 brings the content of revision 1 back."""
        first = self.releases.history(RELEASE).revisions[0]
        made = replace(
            first, number=3, rollback_of=1, status=RevisionStatus.DEPLOYED, deployed_at=START - timedelta(minutes=2)
        )
        self.releases._supersede(RELEASE)
        self.releases._revisions[RELEASE].append(made)


def _selector(deployment: Object) -> Object:
    return {"selector": dig(deployment, "spec", "selector")}


def hook(
    name: str = "migrate", phase: str = "", *, image: str = "shop/migrate:2", started: float | None = -290
) -> Hook:
    job = thing(
        "Job", name, "batch/v1", spec={"template": {"spec": {"containers": [{"name": "migrate", "image": image}]}}}
    )
    began = None if started is None else START + timedelta(seconds=started)
    return Hook(name, "Job", "", ("pre-upgrade",), 0, str(job), objects=(job,), phase=phase, started_at=began)
