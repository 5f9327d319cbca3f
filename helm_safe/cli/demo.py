"""`sandbox demo`: a broken release under load, rolled back plainly and safely, both measured by the client."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helm_safe.journal.clock import SystemClock
from helm_safe.model.errors import FAILED, OK, RunFailed

if TYPE_CHECKING:
    from helm_safe.sandbox.cluster import Sandbox

RELEASE, NAMESPACE = "checkout-api", "prod-eu-central"
GOOD, BROKEN = "1-cold-4", "2-broken-40"
PODS = 4
RATE = 40
SLOW_AFTER = 1.0  # seconds
OBSERVED = 25.0  # seconds of load after the plain rollback: it will not get better by itself
SETTLED = 10.0  # seconds of load after the safe one


@dataclass(frozen=True, slots=True)
class Act:
    """What one way of rolling back did, measured by the client from the moment of the command."""

    name: str
    requests: int
    failed: int
    slow: int
    calm_after: float | None
    share_at_end: float | None
    pods: int
    revision: int
    status: str
    serving: str
    exit_code: int
    said: str

    @property
    def good(self) -> bool:
        """The promises: pods restored, revision 1 serving, under 1 % failing at the end, the record deployed."""
        calm = self.share_at_end is not None and self.share_at_end < 0.01
        return self.exit_code == 0 and self.pods == PODS and self.serving == "1" and calm and self.status == "deployed"


def run(args: argparse.Namespace) -> int:
    """0 only if the safe run kept its promises. Everything is measured in this run."""
    from helm_safe.cli.sandbox import say
    from helm_safe.sandbox import layout
    from helm_safe.sandbox.cluster import Sandbox

    was_up = args.name in layout.sweep()
    sandbox = Sandbox.up(args.name, binaries=args.binaries, say=say)
    try:
        stage = Stage(sandbox, sandbox.helm(int(args.helm)))
        acts = [plain(stage), safe(stage)]
    finally:
        if not was_up and not args.keep:
            sandbox.down()
    show(args, acts)
    return OK if acts[1].good else FAILED


class Stage:
    """The release on the sandbox, and the load on it."""

    def __init__(self, sandbox: Sandbox, helm: Path) -> None:
        self.sandbox, self.helm = sandbox, helm
        self.env = {**os.environ, **sandbox.env(), "HELM_BIN": str(helm)}
        self.requests = sandbox.spec.run / "requests.jsonl"
        self.clock = SystemClock()
        self.started = self.clock.monotonic()

    def tell(self, text: str) -> None:
        print(f"{self.clock.monotonic() - self.started:6.1f} s  {text}", file=sys.stderr, flush=True)  # noqa: T201 - progress

    def call(self, *command: str, fails: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a program against the sandbox. Raises RunFailed with its last words unless `fails` allows it."""
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        if done.returncode and not fails:
            raise RunFailed(f"{' '.join(command[:4])} failed: {(done.stderr or done.stdout).strip()[-500:]}")
        return done

    def deploy(self, tag: str) -> None:
        """Install or upgrade and wait until all pods serve."""
        chart = str(Path(__file__).resolve().parent.parent / "sandbox" / "demo" / "chart")
        where = ["-n", NAMESPACE, "--create-namespace", "--set-string", f"image.tag={tag}"]
        self.call(str(self.helm), "upgrade", "--install", RELEASE, chart, *where)
        scaled = ("--for=jsonpath={.spec.replicas}=" + str(PODS), "deployment", RELEASE, "--timeout=90s")
        self.call("kubectl", "wait", "-n", NAMESPACE, *scaled)
        self.call("kubectl", "rollout", "status", "-n", NAMESPACE, f"deployment/{RELEASE}", "--timeout=90s")

    def reset(self) -> None:
        """Revision 1 good, revision 2 broken, and nothing before them."""
        self.call(str(self.helm), "uninstall", RELEASE, "-n", NAMESPACE, fails=True)
        gone = ("--for=delete", "pods", "--all", "--timeout=60s")
        self.call("kubectl", "wait", "-n", NAMESPACE, *gone, fails=True)
        self.tell(f"helm install {RELEASE} (revision 1: good, cold for its first 4 s)")
        self.deploy(GOOD)
        self.tell("helm upgrade (revision 2: 40 % of its answers are errors, its probes are green)")
        self.deploy(BROKEN)

    def load(self) -> subprocess.Popen[bytes]:
        """Start the load; it ends with `end_load`."""
        url = f"http://127.0.0.1:{self.sandbox.spec.ports.gateway}/"
        command = [sys.executable, "-m", "helm_safe.sandbox.demo.load", "--url", url, "--rate", str(RATE)]
        command += ["--host", f"{RELEASE}.{NAMESPACE}.example", "--out", str(self.requests), "--seconds", "240"]
        self.requests.unlink(missing_ok=True)
        root = str(Path(__file__).resolve().parents[2])
        env = {**self.env, "PYTHONPATH": root}
        return subprocess.Popen(self.sandbox.inside(command), env=env, stdout=subprocess.DEVNULL)

    def end_load(self, load: subprocess.Popen[bytes]) -> None:
        load.send_signal(signal.SIGTERM)
        load.wait(timeout=30)

    def act(self, name: str, since: float, done: subprocess.CompletedProcess[str]) -> Act:
        """Measure what the client saw from `since` (epoch seconds) on, and how the release stands."""
        from helm_safe.sandbox.demo import numbers

        seen = numbers.read_requests(self.requests.read_text())
        until = max((request.at for request in seen), default=since)
        after = numbers.between(seen, since, until + 1)
        whole = numbers.summarize(after, SLOW_AFTER)
        last = numbers.between(seen, until - 5, until + 1)
        end = numbers.summarize(last, SLOW_AFTER)
        deployment = json.loads(
            self.call("kubectl", "get", "-n", NAMESPACE, "deployment", RELEASE, "-o", "json").stdout
        )
        history = json.loads(self.call(str(self.helm), "history", RELEASE, "-n", NAMESPACE, "-o", "json").stdout)
        answered = numbers.serving(last)
        return Act(
            name=name,
            requests=whole.total,
            failed=whole.failed,
            slow=whole.slow,
            calm_after=numbers.calm_after(seen, since, until),
            share_at_end=end.share,
            pods=int(deployment["status"].get("readyReplicas", 0)),
            revision=int(history[-1]["revision"]),
            status=str(history[-1]["status"]),
            serving=", ".join(sorted({version.partition("-")[0] for version in answered if version})) or "nobody",
            exit_code=done.returncode,
            said=(done.stdout.strip().splitlines() or [""])[-1],
        )


def plain(stage: Stage) -> Act:
    """What people do at night: scale the broken pods away, roll back, believe the message."""
    stage.reset()
    load = stage.load()
    stage.clock.sleep(4)
    stage.tell(f"kubectl scale deployment {RELEASE} --replicas=0; helm rollback {RELEASE} 1")
    since = stage.clock.now().timestamp()
    stage.call("kubectl", "scale", "-n", NAMESPACE, "deployment", RELEASE, "--replicas=0")
    done = stage.call(str(stage.helm), "rollback", RELEASE, "1", "-n", NAMESPACE, fails=True)
    stage.tell(f"helm says: {done.stdout.strip()}")
    stage.clock.sleep(OBSERVED)
    stage.end_load(load)
    return stage.act("kubectl scale + helm rollback", since, done)


def safe(stage: Stage) -> Act:
    """The same incident with safe-rollback."""
    stage.reset()
    load = stage.load()
    stage.clock.sleep(4)
    stage.tell(f"helm safe-rollback {RELEASE} 1 -n {NAMESPACE} --yes --bake 10s")
    since = stage.clock.now().timestamp()
    done = follow(stage)
    stage.clock.sleep(SETTLED)
    stage.end_load(load)
    return stage.act("helm safe-rollback", since, done)


def follow(stage: Stage) -> subprocess.CompletedProcess[str]:
    """Run safe-rollback and show its own lines as they come."""
    command = [sys.executable, "-m", "helm_safe", RELEASE, "1", "-n", NAMESPACE, "--yes", "--bake", "10s"]
    root = str(Path(__file__).resolve().parents[2])
    env = {**stage.env, "PYTHONPATH": root, "XDG_STATE_HOME": str(stage.sandbox.spec.run / "state")}
    child = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = []
    for text in child.stdout or ():
        lines.append(text)
        print(f"          {text}", end="", file=sys.stderr, flush=True)  # noqa: T201 - the run's own story
    return subprocess.CompletedProcess(command, child.wait(), "".join(lines), "")


def show(args: argparse.Namespace, acts: list[Act]) -> None:
    """The table, or its numbers."""
    if args.output != "text":
        from helm_safe.report.document import write_document

        write_document({"acts": [asdict(act) for act in acts], "kept": acts[1].good}, args.output)
        return
    from helm_safe.report.console import console, line, table

    out = console(no_color=args.no_color)
    rows: list[tuple[str, list[Any]]] = [
        ("requests after the command", [act.requests for act in acts]),
        ("failed", [act.failed for act in acts]),
        (f"slower than {SLOW_AFTER:.0f} s", [act.slow for act in acts]),
        ("failing below 1 % after", [_seconds(act.calm_after) for act in acts]),
        ("failing share at the end", [_percent(act.share_at_end) for act in acts]),
        ("ready pods at the end", [act.pods for act in acts]),
        ("revision that answers", [act.serving for act in acts]),
        ("newest record", [f"{act.revision} {act.status}" for act in acts]),
        ("it said", [act.said for act in acts]),
    ]
    table(out, ["", *(act.name for act in acts)], [[name, *map(str, values)] for name, values in rows])
    kept = acts[1].good
    words = "kept its promises" if kept else "did NOT keep its promises"
    line(out, f"The safe rollback {words}: 4 pods, revision 1 serving, under 1 % failing, record deployed.")


def _seconds(value: float | None) -> str:
    return "never in this run" if value is None else f"{value:.1f} s"


def _percent(value: float | None) -> str:
    return "no requests" if value is None else f"{100 * value:.1f} %"
