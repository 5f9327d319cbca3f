"""The stage of the staged rollback's proof: how a release is deployed, how a run is played, and its story."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from helm_safe.core.objects import Object
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.stage import RELEASE, Done, Stage
from tests.faultproxy import FaultProxy, beside

TARGET, BROKEN = "1-cold-4", "2-broken-40"
POLITE = ("probes.readinessPath=/healthz", "probes.startup=false")
"""Probes that lie: a cold pod is called ready. Only gates and warm-up stand between it and users."""
KINDS = "deployment,replicaset,pod,service,httproute,hpa,pdb,configmap,secret,serviceaccount,endpointslice"
POLICY = """\
apiVersion: helm-safe.dev/v1alpha1
kind: RollbackPolicy
spec:
  gates:
    minimum-requests: 5
  warm-up:
    path: /
"""
STEPS = (
    "autopsy",
    "hold",
    "standby",
    "ready",
    "shift 10",
    "shift 100",
    "join",
    "drain",
    "forget",
    "rollback",
    "reassert",
    "replicas",
    "verify",
    "watch",
    "warm",
    "leave",
    "return 10",
    "return 50",
    "return 100",
    "routes",
    "remove",
    "release",
    "cleanup",
)
"""Of a short run, asked for with SHORT."""
SHORT = ("--steps", "10,100", "--bake", "1s")
Events = list[dict[str, Any]]
Moment = Callable[[Events], bool]


@dataclass(frozen=True)
class Case:
    """major: of Helm. client_side: Helm 4 without server-side apply. route: "equal" and "different" are in the chart;
    "outside" is made by kubectl.
    """

    major: int
    client_side: bool
    route: str

    def __str__(self) -> str:
        return f"helm{self.major}{'-client-side' if self.client_side else ''}-{self.route}"


CASES = [
    Case(*helm, route) for helm in ((3, False), (4, False), (4, True)) for route in ("equal", "different", "outside")
]


class Player(Stage):
    """A stage on which a case is played: revision 1 good but cold behind polite probes, revision 2 broken."""

    def __init__(self, sandbox: Sandbox, case: Case, namespace: str, folder: Path) -> None:
        super().__init__(sandbox, case.major, namespace)
        self.case = case
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.policy = folder / "policy.yaml"
        self.policy.write_text(POLICY, encoding="utf-8")
        self.env["XDG_STATE_HOME"] = str(folder / "state")

    def helm(self, *words: str | Path, fails: bool = False) -> Done:
        extra = ["--server-side=false"] if self.case.client_side and words[0] == "upgrade" else []
        return super().helm(*words, *extra, fails=fails)

    def release(self, tag: str, *sets: str, header: str = "", pods: int | None = 4) -> None:
        """Deploy a revision whose route writes that header into answers."""
        outside = self.case.route == "outside"
        marks = [] if outside or not header else _filters(header)
        self.deploy(tag, *POLITE, *(["route.enabled=false"] if outside else marks), *sets, pods=pods)
        if outside:
            self.kubectl("apply", "-f", "-", feed=json.dumps(_route(self, header)))

    def release_both(self) -> Object:
        """Revision 1, then the broken revision 2; returns the route of revision 1."""
        self.release(TARGET, header="one")
        first = self.route()
        self.release(BROKEN, header="two" if self.case.route == "different" else "one")
        self.await_route()
        return first

    def route(self) -> Object:
        return self.shown(f"httproute/{RELEASE}")

    def shown(self, name: str) -> Object:
        """What a user wrote of an object: without what servers count and observe."""
        obj = json.loads(self.kubectl("get", name, "-o", "json").stdout)
        metadata = {key: obj["metadata"].get(key) for key in ("name", "labels", "annotations")}
        return {"metadata": metadata, "spec": obj["spec"]}

    def owners(self) -> set[str]:
        """Field managers of all objects but helm-safe's own."""
        shown = self.kubectl("get", KINDS, "--show-managed-fields", "-o", "json").stdout
        return {
            str(entry["manager"])
            for item in json.loads(shown)["items"]
            if item["metadata"].get("labels", {}).get("app.kubernetes.io/managed-by") != "helm-safe"
            for entry in item["metadata"].get("managedFields", [])
        }

    def standby_objects(self) -> list[str]:
        return self.kubectl("get", KINDS, "-l", "helm-safe.dev/role=standby", "-o", "name").stdout.split()

    def play(
        self,
        *words: str,
        at: Moment | None = None,
        then: Callable[[subprocess.Popen[str]], object] = subprocess.Popen.kill,
        proxy: FaultProxy | None = None,
    ) -> Story:
        """A run with its events; when `at` first holds, `then` is done to the process."""
        env = self.env
        if proxy:
            helm = beside(self.folder, self.helm_path, self.sandbox.kubeconfig)
            env = {**env, "KUBECONFIG": str(proxy.kubeconfig), "HELM_BIN": str(helm)}
        command = [sys.executable, "-m", "helm_safe", RELEASE, "1", "-n", self.namespace, "--yes", "-o", "jsonl"]
        command += ["--policy", str(self.policy), *words]
        story = Story(time.monotonic())
        errors = self.folder / "stderr"
        with (
            errors.open("w", encoding="utf-8") as stderr,
            subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=stderr, text=True) as process,
        ):
            for line in process.stdout or ():
                story.events.append(json.loads(line))
                if at and at(story.events):
                    story.struck = True
                    at = then(process) and None
        story.code = process.returncode
        story.errors = errors.read_text(encoding="utf-8")
        return story


@dataclass
class Story:
    """The events of a run. start: `time.monotonic` of its beginning, the clock of all times here."""

    start: float
    events: Events = field(default_factory=list)
    code: int | None = None
    errors: str = ""
    struck: bool = False

    def __str__(self) -> str:
        lines = [f"{self._at(each) - self.start:6.1f} {each['stage']} {each['message']}" for each in self.events]
        return "\n".join([*lines, f"exit {self.code}", self.errors])

    def done(self, step: str) -> float:
        """When a step was done. Raises StopIteration where it was not."""
        return self._at(next(each for each in self.events if step_of(each) == step))

    def gates(self) -> list[Gate]:
        """The gates of the run, in order."""
        ends = [each for each in self.events if step_of(each) and "waited" in each["data"]]
        return [Gate(step_of(each), self._at(each) - float(each["data"]["waited"]), self._at(each)) for each in ends]

    def _at(self, event: dict[str, Any]) -> float:
        return datetime.fromisoformat(event["at"]).timestamp() - time.time() + time.monotonic()


@dataclass(frozen=True)
class Gate:
    """The time for which a step's weights were in force and watched."""

    step: str
    since: float
    until: float

    @property
    def share(self) -> float:
        """Percent of the users on the judged pods."""
        return float(self.step.split()[1])

    @property
    def on_standby(self) -> bool:
        """Whether the judged pods are the standby's."""
        return self.step.startswith("shift")


def step_of(event: dict[str, Any]) -> str:
    """The step that the event says to be done, also badly; "" for other events."""
    data = event.get("data", {})
    return str(data.get("step", "")) if data.get("state") in ("done", "failed") else ""


def after(step: str) -> Moment:
    """The journal says that the step is done."""
    return lambda events: step_of(events[-1]) == step


def before(step: str, steps: Sequence[str] = STEPS) -> Moment:
    """The journal announces the step: its title is told right behind the end of the step in front of it."""
    previous = steps[steps.index(step) - 1]
    return lambda events: len(events) > 1 and step_of(events[-2]) == previous


def _filters(header: str) -> list[str]:
    path = "route.filters[0]"
    where = f"{path}.responseHeaderModifier.set[0]"
    return [f"{path}.type=ResponseHeaderModifier", f"{where}.name=X-Route", f"{where}.value={header}"]


def _route(player: Player, header: str) -> Object:
    modifier = {"set": [{"name": "X-Route", "value": header}]}
    rule = {
        "backendRefs": [{"name": RELEASE, "port": 80}],
        "filters": [{"type": "ResponseHeaderModifier", "responseHeaderModifier": modifier}],
    }
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": RELEASE},
        "spec": {
            "parentRefs": [{"name": "sandbox", "namespace": "sandbox-gateway"}],
            "hostnames": [player.host],
            "rules": [rule],
        },
    }
