"""helm-safe behind a proxy that makes trouble, helm and kubectl beside it; and what must be true of every ending."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helm_safe.core.annotations import MANAGED_BY
from helm_safe.journal.secret_store import decode
from helm_safe.model.records import Kind
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.stage import RELEASE, Done, Stage
from tests.faultproxy import FaultProxy, beside
from tests.sampling import FULL

PODS = 2
NEVER_DOWN = '{"spec": {"behavior": {"scaleDown": {"selectPolicy": "Disabled"}}}}'
TABLE = {0, 1, 2, 3, 4, 5}  # docs/exit-codes.md, without signals
SPECS = ("httproute", "horizontalpodautoscaler")
STANDBY = "helm-safe.dev/role=standby"
SECONDS = 240.0  # for a whole run, a takeover and an outage included
REACHED = 150.0  # for the last of a run's steps to begin
OURS = f"fieldManager={MANAGED_BY}"  # a write with effect: a dry run begins with dryRun
JOURNAL = rf"/secrets/helm-safe\.{RELEASE}\."


@dataclass(frozen=True)
class Strategy:
    """How a run is asked for. points: requests beyond those of every run, name -> (verb, path).

    steps: those behind whose announcement a process is stopped. policy: what stands in its file's `spec`, "" for none.
    minimum: of the autoscaler; below the pods that run, there is something to hold.
    """

    flags: tuple[str, ...]
    points: dict[str, tuple[str, str]]
    steps: tuple[str, ...]
    policy: str = ""
    minimum: int = PODS
    scaled_away: bool = False
    """Whether somebody scales the pods to 0 first, which gives the native strategy something to write of its own."""


ANYWHERE = {
    "take the Lease": ("POST", r"/leases(\?|$)"),
    "begin the journal": ("POST", r"/secrets(\?|$)"),
    "append to the journal": ("PATCH", JOURNAL),
    "read the history": ("GET", r"/secrets\?.*owner%3Dhelm"),
    "try the target's objects": ("PATCH", r"\?dryRun=All"),
    "look at the pods": ("GET", r"/pods\?"),
}
STRATEGIES = {
    "native": Strategy(
        flags=("--strategy", "native"),
        points={
            "scale up": ("PATCH", rf"/deployments/{RELEASE}/scale"),
        },
        steps=("rollback", "replicas"),
        scaled_away=True,
    ),
    "standby": Strategy(
        flags=("--strategy", "standby", "--steps", "50,100", "--accept", "GATE-001=no users in this test"),
        points={
            "hold the autoscaler": ("PATCH", rf"/horizontalpodautoscalers/{RELEASE}\?{OURS}"),
            "make the standby's Service": ("POST", r"/services(\?|$)"),
            "make the standby's Deployment": ("POST", r"/deployments(\?|$)"),
            "read the route": ("GET", rf"/httproutes/{RELEASE}"),
            "read the endpoints": ("GET", r"/endpointslices\?"),
            "move the route": ("PATCH", rf"/httproutes/{RELEASE}\?{OURS}"),
            "label a pod": ("PATCH", r"/pods/"),
            "drain": ("PATCH", rf"/deployments/{RELEASE}/scale"),
            "forget us": ("PATCH", rf"/httproutes/{RELEASE}$"),
            "delete the standby": ("DELETE", r"/deployments/"),
        },
        steps=("standby", "shift 100", "drain", "rollback", "reassert", "routes", "remove"),
        minimum=1,
        # Without users no gateway has numbers; how quick this machine is does not matter here.
        policy="{metrics: {scrape: {labels: app=nobody}}, warm-up: {slow: 5s}}",
    ),
}


USUAL = tuple(STRATEGIES) if FULL else ("native",)
"""What is tried for one strategy unless all is asked for: a run of the standby takes a minute and a half."""


class Troubled:
    """One release of the stage, revision 2 live, and helm-safe's view of the API server through the proxy."""

    def __init__(self, stage: Stage, proxy: FaultProxy, strategy: Strategy, folder: Path) -> None:
        self.stage = stage
        self.proxy = proxy
        self.flags = (*strategy.flags, *policy_file(strategy.policy, folder))
        self.before = self.specs()
        helm = beside(folder, stage.helm_path, stage.sandbox.kubeconfig)
        self.env = {**stage.env, "KUBECONFIG": str(proxy.kubeconfig), "HELM_BIN": str(helm)}

    def start(self, *words: str) -> subprocess.Popen[str]:
        """helm-safe through the proxy, not waited for."""
        command = [sys.executable, "-m", "helm_safe", *words, "-n", self.stage.namespace]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=self.env, stdout=pipe, stderr=pipe, stdin=subprocess.DEVNULL, text=True)

    def start_run(self) -> subprocess.Popen[str]:
        return self.start(RELEASE, "1", "--yes", "--bake", "2s", *self.flags)

    def run(self) -> Done:
        return ended(self.start_run())

    def go_on(self) -> Done:
        """What a person does after a run that did not finish, the trouble being over: look, and resume or begin again."""
        looked = self.stage.safe("status", RELEASE, "-o", "json", fails=True)
        assert_plain(looked)
        unfinished = looked.returncode == 0 and json.loads(looked.stdout)["state"] in ("RUNNING", "INTERRUPTED")
        words = ["resume", RELEASE] if unfinished else [RELEASE, "1", "--yes", "--bake", "2s", *self.flags]
        return self.stage.safe(*words, fails=True)

    def assert_restored(self, revision: int = 3) -> None:
        """Revision 1's manifest under the next number, once; as many pods as before, and nothing of ours on them."""
        standing = self.stage.standing()
        assert (standing.revision, standing.status) == (revision, "deployed")
        assert (standing.replicas, standing.ready) == (PODS, PODS)
        assert [row["status"] for row in self.stage.history()].count("deployed") == 1
        manifest = self.stage.helm("get", "manifest", RELEASE).stdout
        assert manifest == self.stage.helm("get", "manifest", RELEASE, "--revision", "1").stdout
        assert self.specs() == self.before
        for kind in (*SPECS, "deployment"):
            shown = self.stage.kubectl("get", kind, RELEASE, "--show-managed-fields", "-o", "json").stdout
            assert MANAGED_BY not in {entry["manager"] for entry in json.loads(shown)["metadata"]["managedFields"]}
        assert self.stage.kubectl("get", "all,secrets,configmaps", "-l", STANDBY, "-o", "name").stdout == ""

    def specs(self) -> dict[str, Any]:
        """What a run moves and must put back exactly."""
        found = {kind: self.stage.kubectl("get", kind, RELEASE, "-o", "json").stdout for kind in SPECS}
        return {kind: json.loads(text)["spec"] for kind, text in found.items()}


def policy_file(spec: str, folder: Path) -> tuple[str, ...]:
    """The flag that names a policy with this `spec`; nothing where there is none."""
    if not spec:
        return ()
    path = folder / "helm-safe.yaml"
    path.write_text(f"{{apiVersion: helm-safe.dev/v1alpha1, kind: RollbackPolicy, spec: {spec}}}\n", encoding="utf-8")
    return "--policy", str(path)


@contextmanager
def troubled(sandbox: Sandbox, namespace: str, name: str, folder: Path) -> Iterator[Troubled]:
    """A release to be rolled back with the strategy of that name, and the proxy in front of its API server."""
    strategy = STRATEGIES[name]
    stage = Stage(sandbox, 4, namespace)
    stage.env["XDG_STATE_HOME"] = str(folder / "state")
    least = f"autoscaling.minReplicas={strategy.minimum}"
    stage.deploy("1-good", least, pods=strategy.minimum)
    stage.kubectl("patch", "hpa", RELEASE, "-p", NEVER_DOWN)
    if strategy.minimum < PODS:
        stage.kubectl("scale", f"deployment/{RELEASE}", f"--replicas={PODS}")
    stage.deploy("2-good", least, pods=PODS)
    if strategy.scaled_away:
        stage.kubectl("scale", f"deployment/{RELEASE}", "--replicas=0")
        stage.await_pods(0)
    with FaultProxy(sandbox.kubeconfig, folder).running() as proxy:
        yield Troubled(stage, proxy, strategy, folder)


def ended(process: subprocess.Popen[str]) -> Done:
    try:
        out, err = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def assert_plain(done: Done) -> None:
    """A code of the table and, where it is not 0, one paragraph on standard error: what, and what to do."""
    told = f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.returncode in TABLE, told
    assert "Traceback" not in told
    assert "This is a bug" not in told
    errors = [row for row in done.stderr.splitlines() if row.startswith("Error: ")]
    assert len(errors) == (1 if done.returncode else 0), told
    assert "\n\n" not in done.stderr.strip(), told


def announces(step: str) -> Callable[[bytes], bool]:
    """Whether a patch of the journal ends with the record that stands before a step's write."""

    def last_record(body: bytes) -> bool:
        records = decode(str(json.loads(body)["data"]["records"]))
        return (records[-1].kind, records[-1].step) == (Kind.INTENT, step)

    return last_record
