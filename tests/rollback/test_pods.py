"""What a look at pods says: rollout, restarts, ends, probes, logs; and what it says when nobody tells it anything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from helm_safe.core.objects import Object
from helm_safe.model.errors import ClusterError, Interrupted, LostLease
from helm_safe.model.events import Event, Level
from helm_safe.model.machine import Verdict
from helm_safe.model.plan import Stage
from helm_safe.model.settings import Settings
from helm_safe.ports import JournalStore
from helm_safe.rollback.context import Run, World
from helm_safe.rollback.pods import PodWatch
from tests.fakes.cluster import FakeCluster
from tests.fakes.runs import RELEASE, START, FakeClock, FakeLock, FakeReporter, NoMetrics, deployment, healthy, nobody
from tests.model.test_machine import PLAN
from tests.rollback.scenes import SCENES, begin

NAME = "Deployment/checkout-api"
FATAL = 'ERROR: column "total" does not exist'


def pod(name: str, app: str = "checkout-api", *, ready: bool = True, **container: Any) -> Object:
    state = {"name": "app", "ready": ready, "restartCount": 0, "state": {"running": {"startedAt": stamp(-60)}}}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "prod", "labels": {"app": app}},
        "status": {"phase": "Running", "conditions": conditions, "containerStatuses": [{**state, **container}]},
    }


def stamp(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def crashed(code: int, reason: str = "Error", *, at: float = 0, count: int = 1) -> dict[str, Any]:
    ended = {"exitCode": code, "reason": reason, "finishedAt": stamp(at)}
    return {"restartCount": count, "lastState": {"terminated": ended}}


class Looking:
    """A watch over one Deployment of two pods, another one beside it, and the clock that both live by."""

    def __init__(self, folder: Path) -> None:
        self.cluster, self.clock, self.reporter = FakeCluster(), FakeClock(), FakeReporter()
        self.cluster.clock = self.clock.now
        other = healthy(deployment("2", 1))
        other["metadata"]["name"] = "other"
        other["spec"]["selector"]["matchLabels"]["app"] = "other"
        for obj in (healthy(deployment("1", 2)), other, pod("a"), pod("b"), pod("c", "other")):
            self.cluster.put(obj)
        world = World(self.cluster, cast("Any", None), self.clock, self.reporter, folder, lambda _: NoMetrics(), nobody)
        self.run = Run(world, RELEASE, PLAN, Settings(), cast("JournalStore", None), FakeLock())
        self.watch = PodWatch(self.run, Stage.WATCH, [NAME], {}, START, beside=["Deployment/other"])

    def look(self, after: float = 0.0) -> tuple[Verdict, str]:
        if after:
            self.clock.sleep(after)
        health = self.watch.look()
        return health.verdict, health.message

    def said(self) -> list[str]:
        return [event.message for event in self.reporter.events if event.level is not Level.DETAIL]

    def tables(self) -> list[Event]:
        return [event for event in self.reporter.events if event.data.get("kind") == "pods"]

    def happens(self, name: str, reason: str, message: str, count: int = 1) -> None:
        uid = (self.cluster.find("Pod", name, "prod") or {})["metadata"]["uid"]
        metadata = {"name": f"{name}.{reason}.{abs(hash(message))}", "namespace": "prod"}
        about = {"kind": "Pod", "name": name, "namespace": "prod", "uid": uid}
        body = {"metadata": metadata, "involvedObject": about, "reason": reason, "message": message, "count": count}
        self.cluster.put({"apiVersion": "v1", "kind": "Event", **body})

    def logs(self, name: str, *lines: str, every: float = 1.0) -> None:
        """The newest line was written now, the others before it."""
        at = self.clock.passed
        rows = [f"{stamp(at - every * (len(lines) - 1 - n))} {line}\n" for n, line in enumerate(lines)]
        known = self.cluster.log_lines.get(("prod", name, "app", False), "")
        self.cluster.log_lines["prod", name, "app", False] = known + "".join(rows)


@pytest.fixture
def looking(tmp_path: Path) -> Looking:
    return Looking(tmp_path)


def test_all_up_and_nothing_against_it(looking: Looking) -> None:
    assert looking.look() == (Verdict.PASS, f"{NAME}: 2/2 ready")
    looking.cluster.put({**pod("a"), "metadata": {**pod("a")["metadata"], "labels": {"app": "else"}}})
    reads = len(looking.cluster.reads)
    assert looking.look(2)[0] is Verdict.PASS
    assert [kind for verb, kind in looking.cluster.reads[reads:] if verb == "list"] == [], "a look lists nothing"


def test_silence_is_never_a_pass(looking: Looking) -> None:
    """After a while lists help out; a watch that lives again takes over."""
    assert looking.look()[0] is Verdict.PASS
    looking.cluster.silent.add("pods")
    verdict, words = looking.look(31)
    assert verdict is Verdict.INCONCLUSIVE
    assert "told nothing new of pods for 31 s" in words
    looking.look(2)
    assert sum("told nothing new" in each for each in looking.said()) == 1
    assert looking.watch.pods(), "whoever needs the pods has them listed"
    looking.cluster.put(pod("a", ready=False, state={"waiting": {"reason": "ImagePullBackOff"}}))
    assert "ImagePullBackOff" in looking.look(61)[1]
    looking.cluster.silent.clear()
    assert looking.look(2)[0] is Verdict.INCONCLUSIVE


def test_a_refused_watch_is_said_once_and_lists_do(looking: Looking) -> None:
    looking.cluster.denied.add(("watch", "pods"))
    assert [looking.look(3)[0] for _ in range(3)] == [Verdict.PASS] * 3
    assert sum("you may not watch" in each for each in looking.said()) == 1
    assert ("list", "Pod") in looking.cluster.reads


def test_events_that_may_not_be_read_are_missed_once(looking: Looking) -> None:
    looking.cluster.denied.add(("list", "events"))
    assert [looking.look(3)[0] for _ in range(3)] == [Verdict.PASS] * 3
    assert sum("probe failures are not counted" in each for each in looking.said()) == 1


def test_a_restart_holds_a_step_for_a_while_and_tells_why(looking: Looking) -> None:
    looking.cluster.put(pod("a", **crashed(139)))
    verdict, words = looking.look()
    assert verdict is Verdict.INCONCLUSIVE
    assert "Pod/a restarted once: container app crashed (SIGSEGV) (exit 139)" in words
    assert looking.look(19)[0] is Verdict.INCONCLUSIVE
    assert looking.look(2)[0] is Verdict.PASS
    looking.cluster.put(pod("a", **crashed(139, at=21, count=3)))
    assert looking.look()[0] is Verdict.FAIL


@pytest.mark.parametrize(
    ("container", "words"),
    [
        (crashed(137, "OOMKilled"), "killed for memory (OOMKilled, exit 137)"),
        ({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, **crashed(1)}, "it ended with an error (exit 1)"),
        ({"state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}, "ErrImagePull, not found"),
    ],
)
def test_what_time_does_not_mend_fails_once_it_has_lasted(
    looking: Looking, container: dict[str, Any], words: str
) -> None:
    looking.cluster.put(pod("a", ready=False, **container))
    verdict, said = looking.look()
    assert verdict is Verdict.INCONCLUSIVE
    assert words in said
    assert looking.look(21)[0] is Verdict.FAIL
    assert sum(words in each for each in looking.said()) == 1


def test_no_room_is_told_and_waited_for(looking: Looking) -> None:
    looking.look()
    body = pod("a", ready=False)
    full = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes: memory"}
    looking.cluster.put({**body, "status": {"phase": "Pending", "conditions": [full]}})
    looking.happens("a", "FailedMount", "secret not found")
    assert "fits on no node: 0/3 nodes: memory" in looking.look(100)[1]
    assert looking.look(100)[0] is Verdict.INCONCLUSIVE
    assert sum("Pod/a: FailedMount: secret not found" in each for each in looking.said()) == 1


def test_a_probe_that_fails_again_and_again(looking: Looking) -> None:
    """Of a pod that was ready before it is trouble; of one that only starts it explains why it is not ready."""
    message = "Readiness probe failed: HTTP probe failed with statuscode: 503"
    looking.happens("a", "Unhealthy", message, count=40)
    assert looking.look()[0] is Verdict.PASS, "what happened before the first look is the past"
    looking.happens("a", "Unhealthy", message, count=44)
    assert looking.look(2)[0] is Verdict.PASS, "its own threshold bears it"
    looking.happens("a", "Unhealthy", message, count=52)
    verdict, words = looking.look(2)
    assert verdict is Verdict.INCONCLUSIVE
    assert "Pod/a: readiness failed 12 times in the last 60 s: HTTP 503" in words
    assert looking.look(21)[0] is Verdict.FAIL
    assert looking.look(40)[0] is Verdict.PASS, "a minute later it is over"


def test_a_slow_start_is_explained_and_no_failure(looking: Looking) -> None:
    looking.cluster.put(pod("d", ready=False))
    looking.look()
    for round_ in range(1, 20):
        looking.happens("d", "Unhealthy", "Startup probe failed: dial tcp: connect: connection refused", count=round_)
        verdict, words = looking.look(5)
        assert verdict is Verdict.INCONCLUSIVE
    assert "Pod/d: startup failed 12 times in the last 60 s: connection refused" in words or "13 times" in words


def test_the_same_of_many_pods_is_one_line(looking: Looking) -> None:
    for number in range(30):
        name = f"many-{number}"
        looking.cluster.put(pod(name, ready=False, state={"waiting": {"reason": "ErrImagePull", "message": "gone"}}))
    looking.look()
    warned = [each for each in looking.said() if "ErrImagePull" in each]
    assert warned == ["Pod/many-0: container app: ErrImagePull, gone (and 29 more pods)"]


# --- logs ---


def test_known_errors_of_the_new_pods_alone_fail(looking: Looking) -> None:
    """Lines are counted once, however often the log is read."""
    looking.logs("a", FATAL, FATAL)
    assert [looking.look(11)[0] for _ in range(3)] == [Verdict.PASS] * 3
    looking.logs("a", FATAL)
    verdict, words = looking.look(11)
    assert verdict is Verdict.FAIL
    assert "Pod/a (app) logged old_code_missing_column (PG_UNDEFINED_COLUMN) 3 times" in words


def test_an_error_that_both_log_is_no_news(looking: Looking) -> None:
    for name in ("a", "b", "c"):
        looking.logs(name, FATAL, FATAL, FATAL, FATAL)
    assert [looking.look(11)[0] for _ in range(3)] == [Verdict.PASS] * 3
    assert sum("as often as the others" in each for each in looking.said()) == 1


def test_the_same_error_about_another_column_is_news(looking: Looking) -> None:
    looking.logs("c", *[FATAL.replace("total", "tax")] * 4)
    looking.logs("a", *[FATAL] * 4)
    assert looking.look(11)[0] is Verdict.FAIL


def test_a_flood_is_told_and_decides_nothing(looking: Looking) -> None:
    looking.look()
    for _ in range(3):
        looking.clock.sleep(11)
        for name in ("a", "b"):
            looking.logs(name, *[f"request {n}" for n in range(200)], every=0.05)
        looking.logs("c", "request", "request")
        assert looking.look()[0] is Verdict.PASS
    told = [each for each in looking.said() if "lines a minute" in each]
    assert len(told) == 1
    assert told[0].startswith("container app logs 1091 lines a minute, 11 with the others")


def test_more_errors_are_told_before_more_lines(looking: Looking) -> None:
    looking.look()
    for _ in range(2):
        looking.clock.sleep(11)
        looking.logs("a", *["ERROR cannot pay", "INFO paid"] * 5)
        looking.logs("c", *["INFO paid"] * 10)
        looking.look()
    assert [each for each in looking.said() if "errors a minute (50 % of its lines)" in each]


def test_a_large_release_is_read_in_turn(looking: Looking) -> None:
    for number in range(40):
        looking.cluster.put(pod(f"many-{number}"))
    looking.look()
    looking.cluster.reads.clear()
    for _ in range(50):
        looking.look(2)
    read = [name for verb, name in looking.cluster.reads if verb == "logs"]
    assert len(read) <= 10 * 4
    assert len(set(read)) == 31


# --- for screens ---


def test_states_of_pods_are_told_when_they_change(looking: Looking) -> None:
    looking.look()
    (first,) = looking.tables()
    assert first.level is Level.DETAIL
    row = {"name": "a", "state": "Running", "ready": True, "restarts": 0, "note": ""}
    assert first.data["workloads"][0] == {
        "name": NAME,
        "ready": 2,
        "wanted": 2,
        "pods": [row, {**row, "name": "b"}],
        "more": 0,
    }
    assert first.data["workloads"][1]["name"] == "Deployment/other"
    for number in range(30):
        looking.cluster.put(pod(f"more-{number}"))
    looking.cluster.put(pod("b", ready=False, state={"waiting": {"reason": "CrashLoopBackOff"}}, **crashed(1)))
    looking.look(0.5)
    assert len(looking.tables()) == 1, "not twice within a second"
    looking.look(1)
    table = looking.tables()[1].data["workloads"][0]
    assert (table["ready"], len(table["pods"]), table["more"]) == (31, 20, 12)
    assert table["pods"][0]["name"] == "b"
    assert (table["pods"][0]["state"], table["pods"][0]["restarts"]) == ("CrashLoopBackOff", 1)
    assert "ended with an error" in table["pods"][0]["note"]


# --- whole runs ---


def ends(made: Any, how: str) -> None:
    """Let a run end in the middle of SHIFT, in one of the ways in which runs end."""

    def act(_: float) -> None:
        if any("10 % wanted" in words for words in made.words()):
            if how == "error":
                made.cluster.fail("get", ClusterError("strange"), kind="HTTPRoute")
            else:
                raise {"signal": Interrupted("stopped"), "lease": LostLease("taken over")}[how]

    made.clock.passing.append(act)


@pytest.mark.parametrize("how", ["success", "signal", "lease", "error"])
def test_a_run_opens_few_watches_and_leaves_none(tmp_path: Path, how: str) -> None:
    made = SCENES["standby-charted"].build(tmp_path, "ssa")
    opened: list[str] = []
    follow: Callable[..., Any] = made.cluster.follow
    made.cluster.follow = lambda *a, **k: (opened.append(a[0].plural), follow(*a, **k))[1]  # type: ignore[method-assign]
    if how == "success":
        begin(made)
    else:
        ends(made, how)
        with pytest.raises(BaseException):  # noqa: B017 - each way has its own
            begin(made)
    assert sorted(opened) == ["deployments", "events", "pods"]
    assert made.cluster.followed == []
