"""Scripted events of whole runs, as their engines tell them: what the screen is shown in the tests and in the README."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from helm_safe.model.events import Event, Level
from helm_safe.model.gates import GateState
from helm_safe.model.machine import Verdict

START = datetime(2026, 3, 4, 2, 17, 0, tzinfo=timezone.utc)
NAME = "checkout-api"
BESIDE = f"{NAME}-standby"
TOLD = "7.7 % of 52 requests failed, with the current version 0.2 %"


def step(name: str, stage: str, title: str, expected: float, **trial: Any) -> dict[str, Any]:
    return {"id": name, "stage": stage, "title": title, "expected": expected, "asks": False, **trial}


def weights(name: str, stage: str, share: int, judged: str, where: str) -> dict[str, Any]:
    return step(name, stage, f"{share} % of the users to {where}", 36.0, share=float(share), judged=[judged])


STEPS = [
    step("autopsy", "AUTOPSY", "save logs, events and pod states of the current revision", 4.0),
    step("hold", "STANDBY", f"hold HorizontalPodAutoscaler/{NAME}, so that idle pods are not scaled away", 1.0),
    step("standby", "STANDBY", f"bring up revision 1 beside the current one as Deployment/{BESIDE}", 2.0),
    step("ready", "STANDBY", "wait until its pods are up, and warm them up with requests of our own", 25.0),
    *(weights(f"shift {share}", "SHIFT", share, BESIDE, "the standby") for share in (1, 10)),
    step("approve 10", "SHIFT", "wait for approval before 50 % of the users go to the standby", 0.0, asks=True),
    *(weights(f"shift {share}", "SHIFT", share, BESIDE, "the standby") for share in (50, 100)),
    step("join", "COMMIT", "let the standby's pods serve the release's own Services too", 4.0),
    step("drain", "COMMIT", f"scale Deployment/{NAME} to 0: nobody uses those pods any more", 4.0),
    step("rollback", "COMMIT", "native helm rollback to revision 1", 4.0),
    step("reassert", "COMMIT", "keep all users on proven pods, whatever Helm wrote", 4.0),
    step("verify", "COMMIT", "verify the release record and every live object", 1.0),
    step("watch", "WATCH", "watch the restored pods for 30 s: rollout, restarts, logs", 42.0),
    step("warm", "WATCH", "warm the restored pods up with requests of our own", 4.0),
    *(weights(f"return {share}", "RETURN", share, NAME, "the restored pods") for share in (10, 50, 100)),
    step("routes", "CLEANUP", "put the routes back exactly", 4.0),
    step("remove", "CLEANUP", "delete the standby", 6.0),
]
UNDO = [
    step("undo routes", "CLEANUP", "users to where they are safe", 1.0),
    step("undo standby", "CLEANUP", "delete what this run made", 1.0),
]
HOLD = [step("keep", "RETURN", "all users to the backend that has proved itself", 1.0)]


class Story:
    """Tells events one after the other; `wait` lets time pass."""

    def __init__(self, names: dict[str, str] | None = None) -> None:
        self.now = START
        self.events: list[Event] = []
        self.stage = "PLAN"
        self.names = names or {}

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def tell(self, message: str, level: Level = Level.INFO, **data: Any) -> None:
        self.events.append(Event(self.now, self.stage, level, message, data))

    def plan(self, *, asks: bool = False, release: str = NAME, namespace: str = "prod-eu-central") -> None:
        facts = {"namespace": namespace, "release": release, "current": 2, "target": 1, "strategy": "standby"}
        steps = [each for each in STEPS if asks or not each["asks"]]
        course = {"done": [], "steps": steps, "undo": UNDO, "hold": HOLD, "bake": 30.0}
        self.tell("run 20260304-021700-7f3a21 begins", kind="plan", run="20260304-021700-7f3a21", **facts, **course)

    def begin(self, name: str) -> None:
        row = next(each for each in (*STEPS, *UNDO, *HOLD) if each["id"] == name)
        self.stage = row["stage"]
        self.tell(row["title"], kind="step", step=name, state="begun")

    def done(self, name: str, words: str, state: str = "done") -> None:
        self.tell(words, Level.GOOD if state == "done" else Level.ERROR, kind="step", step=name, state=state)

    def weights(self, beside: float, name: str = NAME) -> None:
        shares = {name: 100 - beside, f"{name}-standby": beside}
        rows = [{"name": each, "wanted": share, "actual": None} for each, share in shares.items()]
        self.tell("weights: " + ", ".join(f"{each} {share:g} %" for each, share in shares.items()),
                  kind="weights", services=rows)  # fmt: skip

    def pods(self, *workloads: dict[str, Any]) -> None:
        self.tell("", kind="pods", workloads=list(workloads))

    def gate(self, name: str, share: float, actual: float | None, waited: float, *gates: dict[str, Any]) -> None:
        etas = [30 - waited, *(each["eta"] for each in gates)]
        facts = {"wanted": share, "actual": actual, "waited": waited, "bake": 30.0, "deadline": 600.0}
        facts["eta"] = None if None in etas else max(0.0, *etas)
        self.tell(f"{share:g} % wanted", kind="gate", step=name, share=share, gates=list(gates), **facts)


def pod(name: str, *, ready: bool = True, state: str = "Running", restarts: int = 0, note: str = "") -> dict[str, Any]:
    return {"name": name, "state": state, "ready": ready, "restarts": restarts, "note": note}


def workload(name: str = BESIDE, ready: int = 4, wanted: int = 4, *bad: dict[str, Any]) -> dict[str, Any]:
    well = [pod(f"{name}-6c9f7d{number:03x}") for number in range(min(ready, 8 - len(bad)))]
    pods = [*bad, *well]
    rest = {"pods": pods, "more": max(0, wanted - len(pods))}
    return {"name": f"Deployment/{name}", "ready": ready, "wanted": wanted, **rest}


def state(name: str, verdict: str, sentence: str, **numbers: Any) -> dict[str, Any]:
    """One gate, in the shape of model.gates.GateState."""
    return GateState(name, Verdict(verdict), sentence, **numbers).to_json()


def success_rate(
    value: float, samples: int, eta: float | None, verdict: str = "inconclusive", words: str = ""
) -> dict[str, Any]:
    words = words or f"{samples} requests so far, 75 are needed"
    numbers = {"value": value, "threshold": 0.99, "samples": samples, "needed": 75, "eta": eta, "unit": "share"}
    return state("success rate", verdict, words, **numbers)


def latency(samples: int, eta: float | None = 0.0, verdict: str = "pass") -> dict[str, Any]:
    numbers = {"value": 0.031, "threshold": 0.5, "samples": samples, "needed": 75, "eta": eta, "unit": "s"}
    return state("latency", verdict, "p95 31 ms", **numbers)


def pods_gate(verdict: str = "pass") -> dict[str, Any]:
    return state("pods", verdict, "Deployment/checkout-api-standby: 4 of 4 pods are ready", eta=0.0)


def until_shift(story: Story, *, asks: bool = False) -> None:
    """AUTOPSY and STANDBY pass, the first share goes well."""
    story.plan(asks=asks)
    story.begin("autopsy")
    story.wait(3)
    story.done("autopsy", "saved 4 logs, 12 events and 4 pod states")
    story.begin("hold")
    story.wait(1)
    story.done("hold", f"held: HorizontalPodAutoscaler/{NAME}")
    story.begin("standby")
    story.wait(1)
    story.done("standby", f"made Deployment/{BESIDE}, Service/{BESIDE}")
    story.begin("ready")
    story.pods(workload(BESIDE, 1, 4, *(pod(f"{BESIDE}-6c9f7d10{n}", ready=False, state="Starting") for n in range(3))))
    story.tell("Deployment/checkout-api-standby: 1 of 4 pods are ready")
    story.wait(21)
    story.pods(workload())
    story.done("ready", "4 of 4 pods up; 80 warm-up requests answered, slowest 31 ms")


def share(story: Story, percent: float, *, direction: str = "shift", last: bool = True) -> None:
    """One share whose gate looks three times and passes."""
    name = f"{direction} {percent:g}"
    judged = workload(BESIDE if direction == "shift" else NAME)
    story.begin(name)
    story.weights(percent if direction == "shift" else 100 - percent)
    story.wait(3)
    for number, samples in enumerate((12, 46, 91)):
        story.wait(10)
        story.pods(judged)
        eta = max(0.0, 20.0 - number * 10)
        told = success_rate(1.0, samples, eta, "pass" if samples >= 75 else "inconclusive")
        actual = percent * (0.94 + 0.03 * number)
        story.gate(name, percent, actual, 10.0 * (number + 1), told, latency(samples), pods_gate())
    if last:
        story.done(name, f"{percent:g} % wanted, {percent:.1f} % actual; 0 of 91 requests failed, after 30 s")


def finish(story: Story) -> None:
    """From COMMIT to the end."""
    words = {
        "join": "4 proven pods serve the release's own Services too",
        "drain": f"Deployment/{NAME} has no pods any more",
        "rollback": "revision 3 is deployed",
        "reassert": "helm left the routes alone; all users are on proven pods",
        "verify": "revision 3 carries the content of revision 1; 6 live objects match",
    }
    for name, said in words.items():
        story.begin(name)
        story.wait(3)
        story.done(name, said)
    story.begin("watch")
    story.pods(workload(NAME))
    story.wait(38)
    story.done("watch", "4 of 4 pods up; no restarts and no known errors for 30 s")
    story.begin("warm")
    story.wait(3)
    story.done("warm", "80 warm-up requests answered, slowest 29 ms")
    for percent in (10, 50, 100):
        share(story, percent, direction="return")
    for name, said in {
        "routes": f"the routes are as they shall be: HTTPRoute/{NAME}",
        "remove": "the standby is gone",
    }.items():
        story.begin(name)
        story.wait(3)
        story.done(name, said)
    end(story, "SUCCEEDED")


def end(story: Story, state: str, reason: str = "") -> None:
    level = Level.GOOD if state == "SUCCEEDED" else Level.WARNING
    story.tell(f"the run ended {state}", level, kind="end", state=state, reason=reason)


# --- moments ---


def success() -> Story:
    story = Story()
    until_shift(story)
    for percent in (1, 10, 50, 100):
        share(story, percent)
    finish(story)
    return story


def shifting() -> Story:
    """In the middle of 10 %."""
    story = Story()
    until_shift(story)
    share(story, 1)
    share(story, 10, last=False)
    del story.events[-2:]
    story.now = story.events[-1].at
    story.wait(3)
    return story


def failing() -> Story:
    """The gate at 10 % fails, everything is put back."""
    story = shifting()
    story.wait(4)
    bad = success_rate(0.923, 52, 0.0, "fail", TOLD)
    story.gate("shift 10", 10, 9.8, 24, bad, latency(52), pods_gate())
    story.done("shift 10", f"at 10 %: {TOLD}", "failed")
    story.begin("undo routes")
    story.weights(0)
    story.wait(3)
    return story


def failed() -> Story:
    story = failing()
    story.done("undo routes", "users are at the weights of before")
    story.begin("undo standby")
    story.wait(4)
    story.done("undo standby", f"gone: Deployment/{BESIDE}, Service/{BESIDE}")
    end(story, "FAILED", f"at 10 %: {TOLD}")
    return story


def approval() -> Story:
    """10 % has passed, a person is asked."""
    story = Story()
    until_shift(story, asks=True)
    share(story, 1)
    share(story, 10)
    story.begin("approve 10")
    until, before = (story.now + timedelta(minutes=15)).isoformat(), "50 % of the users go to the standby"
    facts = {
        "for": before,
        "who": "the owner of checkout",
        "until": until,
        "then": "the run stops and everything is put back",
    }
    story.tell(f"waiting for approval before {before}", Level.WARNING, kind="waiting", **facts)
    story.wait(75)
    return story


def paused() -> Story:
    """Somebody paused it in the middle of 10 %."""
    story = shifting()
    words = "paused on request; users stay where they are. `helm safe-rollback resume checkout-api` lets it go on"
    story.tell(words, Level.WARNING, kind="paused")
    story.wait(20)
    return story


def many(workloads: int = 14, pods: int = 6) -> Story:
    """Many workloads, two of them in trouble."""
    story = shifting()
    rows = [workload(f"service-{number:02d}-standby", pods, pods) for number in range(workloads)]
    crash = pod(
        "service-05-standby-6c9f7dabc", ready=False, state="CrashLoopBackOff", restarts=3, note="exit 137, OOMKilled"
    )
    pull = pod("service-09-standby-6c9f7dabd", ready=False, state="ImagePullBackOff", note="no such tag: 1.4.2-hotfix")
    rows[5] = workload("service-05-standby", pods - 1, pods, crash)
    rows[9] = workload("service-09-standby", pods - 1, pods, pull)
    story.pods(*rows)
    return story


def crowd() -> Story:
    """One workload of 500 pods that comes up."""
    story = shifting()
    bad = [pod(f"{BESIDE}-6c9f7d{n:03x}", ready=False, state="Pending", note="no node has room") for n in range(8)]
    story.pods(workload(BESIDE, 312, 500, *bad))
    return story


def long_names() -> Story:
    """Names as long as Kubernetes allows, and some that are two cells wide."""
    story, name = Story(), "a-service-with-" + "a-very-long-name-" * 2 + "indeed"
    story.plan(release=name, namespace="a-namespace-" * 5)
    story.begin("shift 10")
    story.weights(10, name)
    story.pods(
        workload(
            f"{name}-standby", 3, 4, pod(f"{name}-standby-6c9f7dabc-xyz12", ready=False, note="価格表がありません" * 5)
        )
    )
    told = {
        **success_rate(0.9901, 12, 20.0),
        "name": "the share of checkouts that were paid within a minute, in the whole of Europe",
    }
    story.gate("shift 10", 10, 9.9, 12, told)
    story.wait(2)
    return story


HOSTILE = "\x1b[2J\x1b[31mred\x1b]0;title\x07\x1b[?25l\x9b5A\u202egnp.\r\n\x08x"


def hostile() -> Story:
    """Every word of the cluster tries to move the cursor."""
    story = Story()
    story.plan(release=NAME + HOSTILE, namespace=HOSTILE)
    story.begin("shift 10")
    story.weights(10, HOSTILE)
    story.tell(f"pods say {HOSTILE}", Level.WARNING)
    story.pods(workload(HOSTILE, 1, 2, pod(HOSTILE, ready=False, state=HOSTILE, note=HOSTILE)))
    story.gate(
        "shift 10", 10, 9.9, 12, {**success_rate(0.9901, 12, 20.0, "fail"), "name": HOSTILE, "sentence": HOSTILE}
    )
    story.tell("", kind="waiting", **{"for": HOSTILE, "who": HOSTILE, "until": HOSTILE, "then": HOSTILE})
    story.wait(2)
    return story


MOMENTS = (success, shifting, failing, failed, approval, paused, many, crowd, long_names, hostile)
