"""`sandbox demo`: a broken release under load, first with plain `helm rollback`, then with safe-rollback."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from helm_safe.model.errors import FAILED, OK

if TYPE_CHECKING:
    from helm_safe.sandbox.demo.numbers import Request
    from helm_safe.sandbox.demo.people import People
    from helm_safe.sandbox.demo.stage import Done, Load, Stage

NAMESPACE = "prod-eu-central"
RATE = 60.0  # requests per second
SLOW_AFTER = 1.0  # seconds
WINDOW = 90.0  # seconds over which both ways are compared, from the moment of the command
SETTLE = 8.0  # seconds that are measured at least after the safe run said that it is done
AT_END = 8.0  # seconds before the end in which it counts who answers
LONGEST = 420.0  # seconds of load at most in the safe act: killed and resumed it takes its time
BAKE = "5s"
# A real service bakes longer, and asks for more requests before it believes a step.
POLICY = """\
apiVersion: helm-safe.dev/v1alpha1
kind: RollbackPolicy
spec:
  gates:
    minimum-requests: 12
"""


@dataclass(frozen=True, slots=True)
class Act:
    """What one way of rolling back did to users, measured by the client from the moment of the command.

    requests, failed, slow: within the first `window` seconds. failed_before: share of failing requests in the seconds
    before the command. calm_after: seconds until the failing share stays below 1 %; None: not in this run.
    share_at_end and serving: of the last seconds; serving: versions that answered. took: seconds of the command.
    route_before, route_after: hashes of what the route says.
    """

    name: str
    window: float
    requests: int
    failed: int
    slow: int
    share_before: float | None
    calm_after: float | None
    share_at_end: float | None
    serving: tuple[str, ...]
    replicas: int
    ready: int
    revision: int
    status: str
    exit_code: int
    took: float
    said: str
    route_before: str
    route_after: str

    def broken_promises(self, good: str, pods: int) -> list[str]:
        """What a rollback that is worth its name promises, and this one did not keep; a sentence each."""
        promises = {
            f"it exited with {self.exit_code}": self.exit_code == 0,
            f"{self.ready} of {pods} pods are ready": self.ready == self.replicas == pods,
            f"{', '.join(self.serving) or 'nobody'} answers instead of {good}": self.serving == (good,),
            "the failing share did not stay below 1 %": self.calm_after is not None,
            "the failing share at the end is not below 1 %": self.share_at_end is not None and self.share_at_end < 0.01,
            f"revision {self.revision} is {self.status}": self.status == "deployed",
            "the route is not as it was": self.route_before == self.route_after,
        }
        return [words for words, kept in promises.items() if not kept]


@dataclass(frozen=True, slots=True)
class Cue:
    """A command that was given: when (monotonic seconds), how long it took, what it said, and the route before it."""

    since: float
    took: float
    done: Done
    route: str


def run(args: argparse.Namespace) -> int:
    """0 only if the safe run kept its promises; every number is measured in this run."""
    from helm_safe.cli.sandbox import say
    from helm_safe.sandbox import layout
    from helm_safe.sandbox.cluster import Sandbox
    from helm_safe.sandbox.demo.people import people
    from helm_safe.sandbox.demo.stage import GOOD, ISTIO, PODS, Stage

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended from outside it clears up like after Ctrl-C
    was_up = args.name in layout.sweep()
    say("bringing the cluster up (the first time its programs are built, which takes minutes)")
    sandbox = Sandbox.up(args.name, binaries=args.binaries, say=say)
    try:
        if args.router == ISTIO:
            say("starting Istio (the first time istiod is built, which takes minutes)")
            sandbox.start_istio()
        stage = Stage(sandbox, int(args.helm), NAMESPACE, args.router)
        with people() as told:
            acts = play(stage, told, teller(), kill=args.kill)
        report(stage, args.report)
    finally:
        if not was_up and not args.keep:
            sandbox.down()
    broken = [*acts[1].broken_promises(GOOD, PODS), *told.broken_promises()]
    show(args, acts, told, broken)
    return FAILED if broken else OK


Tell = Callable[[str], None]


def teller() -> Tell:
    """Progress on stderr, with the seconds since the demo began."""
    start = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - start:6.1f} s  {text}", file=sys.stderr, flush=True)  # noqa: T201 - progress

    return tell


def report(stage: Stage, file: str | None) -> None:
    """The page of the safe run, for a browser."""
    from helm_safe.sandbox.demo.stage import RELEASE

    if file:
        stage.safe("report", RELEASE, "-o", "html", "--file", file)


def play(stage: Stage, told: People, tell: Tell, *, kill: bool) -> list[Act]:
    """Both acts, one after the other, on the same release."""
    from helm_safe.sandbox.demo.stage import GOOD, PODS, RELEASE

    stage.helm("uninstall", RELEASE, "--ignore-not-found", "--wait")
    tell(f"helm install {RELEASE}: revision 1 is good; like a JVM its pods are cold for their first 4 s")
    stage.deploy(GOOD)
    stage.await_route()
    first = plain(stage, tell)
    tell("back to the start: pods restored, then the broken revision once more")
    stage.kubectl("scale", f"deployment/{RELEASE}", f"--replicas={PODS}")
    stage.await_pods(PODS)
    stage.await_route()
    return [first, safe(stage, told, tell, kill=kill)]


def plain(stage: Stage, tell: Tell) -> Act:
    """What people do at night: scale the broken pods away, roll back, believe the message."""
    from helm_safe.sandbox.demo.stage import RELEASE

    with stage.load(RATE) as load:
        go_wrong(stage, tell)
        tell(f"act one: kubectl scale deployment {RELEASE} --replicas=0; helm rollback {RELEASE} 1")
        route, since = stage.route_hash(), time.monotonic()
        stage.kubectl("scale", f"deployment/{RELEASE}", "--replicas=0")
        done = stage.helm("rollback", RELEASE, "1", fails=True)
        cue = Cue(since, time.monotonic() - since, done, route)
        tell(f"helm says: {last_line(done)}")
        observe(load, since + WINDOW, tell)
    return measure("kubectl scale 0 + helm rollback", stage, load, cue)


def safe(stage: Stage, told: People, tell: Tell, *, kill: bool) -> Act:
    """The same incident with safe-rollback, through Helm where the plugin's files are at hand."""
    from helm_safe.cli import staged
    from helm_safe.sandbox.demo.people import SECRETS
    from helm_safe.sandbox.demo.stage import RELEASE

    policy = stage.sandbox.spec.run / "helm-safe.yaml"
    policy.write_text(f"{POLICY}  notifiers: {json.dumps(told.notifiers)}\n", encoding="utf-8")
    stage.env |= SECRETS
    words = [
        RELEASE,
        "1",
        "-n",
        stage.namespace,
        "--yes",
        "--bake",
        BAKE,
        "--pause-at",
        "commit",
        "--policy",
        str(policy),
    ]
    plugin = not kill and stage.install_plugin()
    command = [str(stage.helm_path), "safe-rollback", *words] if plugin else [*staged.OURS, *words]
    with stage.load(RATE, LONGEST) as load:
        go_wrong(stage, tell)
        tell(f"act two: {'helm safe-rollback' if plugin else 'helm-safe'} {' '.join(words)}")
        route, since = stage.route_hash(), time.monotonic()
        run = staged.killed(stage, words, told, tell) if kill else staged.approved(stage, command, told, tell)
        cue = Cue(since, time.monotonic() - since, run, route)
        observe(load, max(since + WINDOW, time.monotonic() + SETTLE), tell)
    return measure("helm safe-rollback", stage, load, cue)


def go_wrong(stage: Stage, tell: Tell) -> None:
    """The upgrade that pages people: Helm and Kubernetes are content with it, users are not."""
    from helm_safe.sandbox.demo.stage import BROKEN

    tell("helm upgrade to a revision whose probes are green while 40 % of its answers are errors")
    stage.deploy(BROKEN)
    tell("Helm and Kubernetes call it a success; users do not")
    time.sleep(AT_END / 2)  # noqa: TID251 - the load goes on in real time


def observe(load: Load, until: float, tell: Tell) -> None:
    """Let the load go on, and say every few seconds what users meet."""
    from helm_safe.sandbox.demo.numbers import between, summarize

    while (now := time.monotonic()) < until:
        time.sleep(min(8.0, until - now))  # noqa: TID251 - the load goes on in real time
        last = summarize(between(load.requests(), time.monotonic() - 4, time.monotonic()), SLOW_AFTER)
        tell(f"users: {percent(last.share)} of the last {last.total} requests failed")


def measure(name: str, stage: Stage, load: Load, cue: Cue) -> Act:
    """The numbers of an act whose load has ended, and how the release stands after it."""
    from helm_safe.sandbox.demo.numbers import between, calm_after, serving, summarize

    seen = load.requests()
    until = max((each.at for each in seen), default=cue.since)
    whole = summarize(between(seen, cue.since, cue.since + WINDOW), SLOW_AFTER)
    end: list[Request] = between(seen, until - AT_END, until)
    standing = stage.standing()
    return Act(
        name=name,
        window=WINDOW,
        requests=whole.total,
        failed=whole.failed,
        slow=whole.slow,
        share_before=summarize(between(seen, cue.since - AT_END / 2, cue.since), SLOW_AFTER).share,
        calm_after=calm_after(seen, cue.since, until),
        share_at_end=summarize(end, SLOW_AFTER).share,
        serving=tuple(sorted(version for version in serving(end) if version)),
        replicas=standing.replicas,
        ready=standing.ready,
        revision=standing.revision,
        status=standing.status,
        exit_code=cue.done.returncode,
        took=cue.took,
        said=last_line(cue.done),
        route_before=cue.route,
        route_after=stage.route_hash(),
    )


def show(args: argparse.Namespace, acts: list[Act], told: People, broken: list[str]) -> None:
    """The table, or its numbers (schema demo)."""
    if args.output != "text":
        from helm_safe.report.document import write_document

        body = {"rate": RATE, "slowAfter": SLOW_AFTER, "helm": int(args.helm), "kept": not broken, "broken": broken}
        told_of = {"alerts": told.alerts, "pages": told.pages, "threads": len(told.threads), "replies": told.replies}
        write_document({**body, "acts": [document(act) for act in acts], "incident": told_of}, args.output)
        return
    from helm_safe.report.console import console, line, table

    out = console(no_color=args.no_color)
    table(out, ["", *(act.name for act in acts)], rows(acts))
    table(out, ["who was told", "opened", "what it heard"], told.rows())
    if broken:
        line(out, f"The safe rollback did NOT keep its promises: {'; '.join(broken)}.", "bold red")
    else:
        words = (
            "pods and route restored, revision 1 serving, less than 1 % failing, newest record deployed, one incident"
        )
        line(out, f"The safe rollback kept its promises: {words}.", "bold green")


def rows(acts: list[Act]) -> list[list[str]]:
    """The table's rows, the name of each first."""
    first = f"in the first {acts[0].window:.0f} s"
    cells: dict[str, list[str]] = {
        "failing before the command": [percent(act.share_before) for act in acts],
        f"failed requests {first}": [f"{act.failed} of {act.requests}" for act in acts],
        f"slow requests {first}": [f"{act.slow} (over {SLOW_AFTER:g} s)" for act in acts],
        "failing share stays below 1 % after": [seconds(act.calm_after) for act in acts],
        "failing at the end": [percent(act.share_at_end) for act in acts],
        "ready pods at the end": [f"{act.ready} of {act.replicas} asked for" for act in acts],
        "image that answers at the end": [", ".join(act.serving) or "nobody" for act in acts],
        "the route": [route(act) for act in acts],
        "newest record": [f"{act.revision} {act.status}" for act in acts],
        "the command took": [f"{act.took:.1f} s, exit {act.exit_code}" for act in acts],
        "its last words": [act.said for act in acts],
    }
    return [[name, *values] for name, values in cells.items()]


def route(act: Act) -> str:
    """Whether the route says what it said before the command."""
    same = "as before" if act.route_before == act.route_after else f"changed from {act.route_before}"
    return f"{same} ({act.route_after})"


def document(act: Act) -> dict[str, Any]:
    """The published shape of one act: names in the manner of the other documents."""
    body = asdict(act)
    words = {name: name.split("_") for name in body}
    return {first + "".join(map(str.title, rest)): body[name] for name, (first, *rest) in words.items()}


def last_line(done: Done) -> str:
    """The last line that a command said."""
    lines = [text.strip() for text in (done.stdout + done.stderr).splitlines() if text.strip()]
    return lines[-1] if lines else ""


def seconds(value: float | None) -> str:
    return "never in this run" if value is None else f"{value:.1f} s"


def percent(value: float | None) -> str:
    return "no requests" if value is None else f"{100 * value:.1f} %"
