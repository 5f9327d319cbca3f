"""helm-safe behind a proxy that makes trouble, helm and kubectl beside it; and what must be true of every ending."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from helm_safe.core.annotations import MANAGED_BY
from helm_safe.journal.secret_store import decode
from helm_safe.model.records import Kind
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.stage import RELEASE, Done, Stage
from tests.faultproxy import FaultProxy, beside

PODS = 2
TWO_PODS = f"autoscaling.minReplicas={PODS}"
TABLE = {0, 1, 2, 3, 4, 5}  # docs/exit-codes.md, without signals
SECONDS = 240.0  # for a whole run, a takeover and an outage included
JOURNAL = rf"/secrets/helm-safe\.{RELEASE}\."


@dataclass(frozen=True)
class Strategy:
    """How a run is asked for. points: requests beyond those of every run, name -> (verb, path).

    steps: those behind whose announcement a process is stopped.
    """

    flags: tuple[str, ...]
    points: dict[str, tuple[str, str]]
    steps: tuple[str, ...]
    scaled_away: bool = False
    """Whether somebody scales the pods to 0 first, which gives the native strategy something to write of its own."""


ANYWHERE = {
    "take the Lease": ("POST", r"/leases(\?|$)"),
    "begin the journal": ("POST", r"/secrets(\?|$)"),
    "append to the journal": ("PATCH", JOURNAL),
    "read the history": ("GET", r"/secrets\?.*owner%3Dhelm"),
    "look at the pods": ("GET", r"/pods\?"),
}
STRATEGIES = {
    "native": Strategy(
        flags=("--strategy", "native"),
        points={
            "scale up": ("PATCH", rf"/deployments/{RELEASE}/scale"),
            "forget us": ("PATCH", rf"/deployments/{RELEASE}(\?|$)"),
        },
        steps=("rollback", "replicas"),
        scaled_away=True,
    ),
}


class Troubled:
    """One release of the stage, revision 2 live, and helm-safe's view of the API server through the proxy."""

    def __init__(self, stage: Stage, proxy: FaultProxy, strategy: Strategy, folder: Path) -> None:
        self.stage = stage
        self.proxy = proxy
        self.flags = strategy.flags
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
        shown = self.stage.kubectl("get", "deployment", RELEASE, "--show-managed-fields", "-o", "json").stdout
        assert MANAGED_BY not in {entry["manager"] for entry in json.loads(shown)["metadata"]["managedFields"]}


@contextmanager
def troubled(sandbox: Sandbox, namespace: str, name: str, folder: Path) -> Iterator[Troubled]:
    """A release to be rolled back with the strategy of that name, and the proxy in front of its API server."""
    strategy = STRATEGIES[name]
    stage = Stage(sandbox, 4, namespace)
    stage.env["XDG_STATE_HOME"] = str(folder / "state")
    stage.deploy("1-good", TWO_PODS, pods=PODS)
    stage.deploy("2-good", TWO_PODS, pods=PODS)
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
