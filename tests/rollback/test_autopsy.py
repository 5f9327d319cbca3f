"""Collecting: bounded, private, by the same code alone and in a run; what cannot be had is named, and the rest goes on."""

from __future__ import annotations

import json
import tarfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from helm_safe.cli import wiring
from helm_safe.cli.main import main
from helm_safe.core.objects import Object
from helm_safe.journal.secret_store import runs_of
from helm_safe.model.errors import Forbidden, Missing, Unreachable
from helm_safe.model.records import fold
from helm_safe.model.resources import EVENTS
from helm_safe.model.revisions import RevisionStatus
from helm_safe.rollback import autopsy, casefile, collecting
from tests.fakes.failing import NAME, NAMESPACE, Failing, crashed, hook, running, stamp, thing, workload
from tests.fakes.runs import RELEASE
from tests.report.test_schemas import check
from tests.rollback.scenes import begin, progress_of, unrouted


@pytest.fixture
def made(tmp_path: Path) -> Failing:
    """A crash loop, with a log that says why."""
    found = Failing(tmp_path)
    found.log(found.pod(crashed(1)), "KeyError: 'PAYMENT_URL'", previous=True)
    return found


def autopsy_of(made: Failing, monkeypatch: pytest.MonkeyPatch, capsys: Any, *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(wiring, "open_world", lambda args, reporter: (made.world, RELEASE))
    code = main(["autopsy", NAME, *words])
    out = capsys.readouterr()
    return code, out.out, out.err


# --- the command ---


def test_the_causes_come_first(made: Failing, monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path) -> None:
    code, out, _ = autopsy_of(made, monkeypatch, capsys, "--output-dir", str(tmp_path / "out"))
    lines = out.splitlines()
    assert code == 0
    assert lines[1] == f"1. The configuration lacks payment_url (Deployment/{NAME})"
    assert lines[2] == "   A rollback helps: revision 2 brought it, revision 1 was without."
    assert lines[-1].startswith(f"Evidence: {tmp_path / 'out'}")


def test_the_document_has_its_published_shape(made: Failing, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    made.cluster.put(thing("PersistentVolumeClaim", "data", status={"phase": "Bound"}))
    made.cluster.put(thing("ResourceQuota", "q", status={"hard": {"pods": "10"}, "used": {"pods": "2"}}))
    made.cluster.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}, "status": {"conditions": []}})
    made.event(f"Pod/{NAME}-2-a", "BackOff", "Back-off restarting failed container")
    code, out, _ = autopsy_of(made, monkeypatch, capsys, "-o", "json")
    body = json.loads(out)
    check(body, "autopsy")
    assert (code, body["advice"], body["previous"]["revision"]) == (0, "roll back", 1)
    assert [each["name"] for each in body["claims"]] == ["data"]
    assert json.loads((Path(body["folder"]) / "autopsy.json").read_text())["suspicions"] == body["suspicions"]
    page = (Path(body["folder"]) / "autopsy.md").read_text()
    assert "1. **The configuration lacks payment\\_url** (Deployment/checkout-api), score" in page
    assert "- quota q: used pods 2 of pods 10" in page
    assert page.index("## Suspicions") < page.index("## Pods") < page.index("## Timeline")


def test_a_bundle_never_takes_the_place_of_another(
    made: Failing, monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path
) -> None:
    folders = set()
    for _ in range(3):
        _, out, _ = autopsy_of(made, monkeypatch, capsys, "-o", "json", "--output-dir", str(tmp_path / "out"))
        body = json.loads(out)
        folders.add(body["folder"])
        with tarfile.open(body["archive"]) as archive:
            names = {Path(each.name).name for each in archive if each.mode == 0o600}
        assert names == {path.name for path in Path(body["folder"]).iterdir()}
        assert {path.stat().st_mode & 0o777 for path in Path(body["folder"]).iterdir()} == {0o600}
    assert len(folders) == 3


@pytest.mark.parametrize("words", [["--output-dir", "/dev/null/x"], ["--budget", "soon"], ["--budget", "0s"]])
def test_what_cannot_be_is_a_usage_error(
    made: Failing, monkeypatch: pytest.MonkeyPatch, capsys: Any, words: list[str]
) -> None:
    code, _, err = autopsy_of(made, monkeypatch, capsys, *words)
    assert code == 2
    assert err.count("Error: ") == 1


# --- in a run ---


def test_a_run_keeps_the_same_and_its_report_says_it(tmp_path: Path) -> None:
    shop = unrouted(tmp_path, "csa")
    pod = next(obj for key, obj in shop.cluster.objects.items() if key[1] == "Pod")
    status = {**pod["status"], "containerStatuses": [{"name": "app", **crashed(137, "OOMKilled")}]}
    shop.cluster.put({**pod, "status": {**status, "conditions": [{"type": "Ready", "status": "False"}]}})
    begin(shop)
    told = progress_of(shop).done["autopsy"]
    assert told["advice"] == "roll back"
    assert told["suspicions"][0].startswith("roll back: a container needs more memory than it may have")
    assert {"autopsy.json", "autopsy.md", "pods.json", "workloads.json", "events.json"} <= {
        path.name for path in Path(told["folder"]).iterdir()
    }
    assert Path(told["archive"]).is_file()


def test_a_disk_that_is_full_does_not_stop_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = unrouted(tmp_path, "csa")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(casefile, "write_private", full)
    begin(shop)
    assert progress_of(shop).end == "SUCCEEDED"
    assert progress_of(shop).done["autopsy"]["folder"] == ""
    assert any("could not be saved" in words for words in shop.words())


def test_a_run_goes_on_when_nothing_may_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the pods too: the autopsy is poor then, and says so."""
    shop = unrouted(tmp_path, "csa")
    monkeypatch.setattr(collecting, "_list", _refuse)
    begin(shop)
    assert fold(next(iter(runs_of(shop.cluster, RELEASE).values()))).end == "SUCCEEDED"
    assert any("pods were not read" in words for words in shop.words())


def _refuse(*_: object) -> list[Object]:
    raise Forbidden("you may not list that", status=403)


# --- bounds ---


def test_two_hundred_pods_cost_few_requests(made: Failing) -> None:
    """One list per kind, and the logs of one pod for each way in which pods fail."""
    for number in range(200):
        code = number % 3
        name = made.pod(crashed(code + 1), suffix=f"{number:03}")
        made.log(name, "panic: x", previous=True)
    made.cluster.reads.clear()
    found = made.inquire()
    listed = [kind for verb, kind in made.cluster.reads if verb == "list"]
    assert listed.count("Secret") == 2  # the journals of earlier runs tell which revision was good
    assert max(listed.count(kind) for kind in set(listed) - {"Secret"}) == 1
    logged = {name for verb, name in made.cluster.reads if verb == "logs"}
    assert len(logged) == 3, "exit codes 1, 2 and 3"
    assert len(made.cluster.reads) < 60
    assert len(found.collected.of_kind("Pod")) == 201


def test_at_most_ten_pods_are_read(made: Failing) -> None:
    for number in range(30):
        made.pod(crashed(number + 1), suffix=f"{number:03}")
    made.cluster.reads.clear()
    made.inquire()
    assert len({name for verb, name in made.cluster.reads if verb == "logs"}) == collecting.MAX_PODS


def test_a_list_that_hangs_is_left_behind(made: Failing, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    real = collecting._list

    def slow(world: Any, resource: Any, namespace: str) -> list[Object]:
        if resource == EVENTS:
            release.wait(20)
        return real(world, resource, namespace)

    monkeypatch.setattr(collecting, "_list", slow)
    began = time.monotonic()
    history = made.releases.history(RELEASE)
    found = autopsy.inquire(made.world, autopsy.asked_of(made.world, history, 60.0), seconds=1.0)
    release.set()
    assert time.monotonic() - began < 10
    assert "events were not read: out of time" in found.collected.notes


def test_a_bundle_has_its_bound(made: Failing, tmp_path: Path) -> None:
    folder = casefile.Folder(tmp_path / "x", 5000)
    folder.write("a.log", "x" * 3000)
    folder.write_all("b.json", ({"n": "y" * 300} for _ in range(100)))
    folder.write("c.log", "z" * 3000)
    assert sum(path.stat().st_size for path in (tmp_path / "x").iterdir()) <= 5000
    assert folder.cut == ["b.json", "c.log"]
    assert isinstance(json.loads((tmp_path / "x" / "b.json").read_text()), list), "whole objects only"


# --- bad input ---


def test_huge_and_binary_logs(made: Failing) -> None:
    huge = made.pod(crashed(3), suffix="huge")
    binary = made.pod(crashed(2), suffix="bin")
    made.cluster.log_lines[NAMESPACE, huge, "app", True] = (
        f"{stamp()} {'x' * 5 * 1024 * 1024}\n{stamp()} KeyError: 'REGION'\n"
    )
    made.cluster.log_lines[NAMESPACE, binary, "app", True] = "\x00\x1b[31m\x9b\ufffd\u202e" * 10000 + "\n"
    began = time.monotonic()
    found = made.inquire()
    assert time.monotonic() - began < 10
    assert {each.subject for each in found.judgement.suspicions} >= {"payment_url", "region"}
    for log in found.collected.logs:
        assert not set(log.text) & {"\x00", "\x1b", "\u202e"}
        assert max(map(len, log.text.split("\n"))) <= 2049


def test_a_pod_that_disappears_while_it_is_read(made: Failing) -> None:
    made.cluster.fail("logs", Missing("no such pod", status=404), times=-1)
    found = made.inquire()
    assert found.judgement.suspicions[0].cause == "crash", "what its state says is known already"
    assert any("log of container app of Pod/" in note and "no such pod" in note for note in found.collected.notes)


def test_a_log_that_is_gone_is_named(made: Failing) -> None:
    made.cluster.log_lines.clear()
    assert any("its earlier log is gone" in note for note in made.inquire().collected.notes)


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_clock_that_is_an_hour_off(tmp_path: Path, seconds: int) -> None:
    """Times tell nothing then: what was seen counts whenever it was."""
    made = Failing(tmp_path)
    ended = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": stamp(seconds), "startedAt": stamp(seconds)}
    name = made.pod({**crashed(), "lastState": {"terminated": ended}})
    found = made.cluster.find("Pod", name, NAMESPACE)
    assert found
    made.event(f"Pod/{name}", "Unhealthy", "Readiness probe failed: x", at=seconds)
    told = made.inquire()
    assert told.judgement.suspicions[0].cause == "out-of-memory"
    assert any("clock of node node-1" in note for note in told.body["notes"])


@pytest.mark.parametrize("resource", collecting._ALWAYS, ids=lambda each: each.plural)
def test_a_list_that_is_denied_is_named(made: Failing, monkeypatch: pytest.MonkeyPatch, resource: Any) -> None:
    real = collecting._list

    def some(world: Any, asked: Any, namespace: str) -> list[Object]:
        return _refuse() if asked.gvk.kind == resource.gvk.kind else real(world, asked, namespace)

    monkeypatch.setattr(collecting, "_list", some)
    found = made.inquire()
    assert f"{resource.plural} were not read: you may not list that" in found.collected.notes
    if resource.plural != "pods":
        assert found.judgement.suspicions[0].cause == "config-missing"


def test_no_contact_at_all_is_told(made: Failing) -> None:
    made.cluster.fail("list", Unreachable("no connection"), times=-1)
    found = made.inquire()
    assert found.judgement.suspicions == ()
    assert any("pods were not read: no connection" in note for note in found.body["notes"])


ODD: list[Any] = [
    {},
    {"status": None},
    {"status": 7},
    {"status": {"containerStatuses": [None, 3, {"restartCount": None}]}},
]


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_pods_of_any_shape(made: Failing, odd: Object) -> None:
    pod = thing("Pod", "odd")
    pod["metadata"]["labels"] = {"app": NAME}
    made.cluster.put({**pod, **odd})
    assert made.inquire().judgement.suspicions[0].cause == "config-missing"


def test_a_release_with_one_revision_has_nowhere_to_go(tmp_path: Path) -> None:
    made = Failing(tmp_path)
    made.releases._revisions[RELEASE] = made.releases._revisions[RELEASE][1:]
    made.pod(crashed(1))
    told = made.judge()
    assert told.advice is not None
    assert told.advice.value == "roll forward"


def test_a_hook_that_a_rollback_copied_proves_nothing(tmp_path: Path) -> None:
    old = hook(phase="Failed", started=-9000)
    made = Failing(tmp_path, hooks=(old,), status=RevisionStatus.DEPLOYED)
    made.pod(running(ready=True))
    told = made.inquire()
    assert told.judgement.suspicions == ()
    assert "no proof" in told.body["hooks"][0]


def test_a_known_secret_is_masked_in_whatever_was_said(tmp_path: Path) -> None:
    needs = {"env": [{"name": "U", "valueFrom": {"secretKeyRef": {"name": "db", "key": "user"}}}]}
    made = Failing(tmp_path, (workload("1", **needs),), (workload("2", **needs),))
    made.cluster.put(thing("Secret", "db", data={"user": "bWVycnkgYmFkZ2Vy"}))  # merry badger
    name = made.pod(crashed(1))
    made.log(name, "hello merry badger: Connection refused", previous=True)
    made.event(f"Pod/{name}", "FailedMount", "no volume for merry badger")
    body = json.dumps(made.inquire().body)
    assert "merry badger" not in body
    assert "***secret/db/user***" in body
