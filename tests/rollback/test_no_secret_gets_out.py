"""Secrets of thirty shapes, planted wherever a cluster keeps text, come out of no command, journal, bundle or report."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from helm_safe.cli import wiring
from helm_safe.cli.main import main
from helm_safe.core.objects import Object
from helm_safe.core.redact import LAST_APPLIED, redact, redact_object
from helm_safe.journal.secret_store import runs_of
from helm_safe.model.review import review
from helm_safe.model.revisions import Hook
from helm_safe.report.pages import FORMATS, page
from helm_safe.rollback.context import World
from tests.fakes import shop
from tests.fakes.failing import stamp, thing
from tests.fakes.planted import ROWS, files_below, leaks, secret, shapes, told
from tests.fakes.runs import RELEASE, Helm, deployment, healthy, world
from tests.rollback.scenes import begin, progress_of

PLAIN = {f"SHAPE_{number}_SECRET": text for number, text in enumerate(shapes("En").values())}
URLS = {"DATABASE_URL": shapes("Ur")["connection string"], "SENTRY_DSN": shapes("Ur")["basic auth in a URL"]}


def rich(tag: str) -> Object:
    """The workload with secrets in its environment, arguments, annotations, hooks and probe, others in each revision."""
    obj = deployment(tag)
    container = obj["spec"]["template"]["spec"]["containers"][0]
    plain = {f"SHAPE_{number}_SECRET": text for number, text in enumerate(shapes(f"En{tag}").values())}
    container["env"] = [{"name": name, "value": text} for name, text in {**plain, **URLS}.items()]
    container["env"].append({"name": "FROM", "valueFrom": {"secretKeyRef": {"name": "db", "key": "plain"}}})
    bare = secret(f"Ar{tag}", 1)
    container["args"] = ["--password", bare, f"--token={bare}", *shapes(f"As{tag}").values()]
    container["command"] = ["/bin/sh", "-c", *shapes(f"Co{tag}").values()]
    named = {"Authorization": shapes(f"Hd{tag}")["bearer"], "Cookie": f"sid={bare}", "X-Api-Key": bare}
    headers = [{"name": name, "value": value} for name, value in named.items()]
    container["readinessProbe"] = {"httpGet": {"path": f"/?token={bare}", "port": 80, "httpHeaders": headers}}
    container["lifecycle"] = {"preStop": {"exec": {"command": ["curl", "-u", f"me:{bare}", "--api-key", bare]}}}
    notes = {f"note-{number}/{tag}": text for number, text in enumerate(shapes(f"An{tag}").values())}
    echo = {LAST_APPLIED: told({"spec": list(shapes(f"La{tag}").values())}), "example.com/api-token": bare}
    obj["metadata"]["annotations"] = {**notes, **echo}
    obj["spec"]["template"]["metadata"]["annotations"] = {**notes, **echo}
    return obj


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Revision 1 good, revision 2 live and crashing; the commands reach this world."""
    found = world(tmp_path / "evidence")
    helm = found.releases
    assert isinstance(helm, Helm)
    cluster = helm.cluster
    plain = "plainWordsOfNoShape q7Zr9KxW2mVbLit77"
    data = {"plain": base64.b64encode(plain.encode()).decode()}
    settings = thing(
        "ConfigMap",
        "settings",
        data=dict(zip("abcdefghijklmnopqrstuvwxyzABCDEFGH", shapes("Cm").values(), strict=False)),
    )
    both = (thing("Secret", "db", data=data), settings)
    job = thing(
        "Job",
        "migrate",
        "batch/v1",
        spec={
            "template": {"spec": {"containers": [{"name": "m", "image": "m:1", "args": list(shapes("Jb").values())}]}}
        },
    )
    hook = Hook("migrate", "Job", "", ("pre-upgrade", "post-rollback"), 0, told(job), objects=(job,))
    helm._revisions[RELEASE].clear()
    helm.upgrade(RELEASE, rich("1"), *both, at=found.clock.now().replace(year=2025))
    helm.upgrade(RELEASE, rich("2"), *both, hooks=(hook,), description=f"failed: {shapes('De')['connection string']}")
    helm.set(RELEASE, 2, deployed_at=found.clock.now())
    cluster.put(healthy({**rich("2"), "spec": {**rich("2")["spec"], "replicas": 4}}))
    for obj in both:
        cluster.put(obj)
    ended = {"exitCode": 1, "reason": "Error", "message": "\n".join(shapes("Te").values()), "finishedAt": stamp()}
    status = {"name": "app", "ready": False, "restartCount": 3, "lastState": {"terminated": ended}}
    for suffix in "ab":
        pod = thing("Pod", f"checkout-api-{suffix}", spec=rich("2")["spec"]["template"]["spec"])
        pod["metadata"] |= {"labels": {"app": "checkout-api"}, "annotations": rich("2")["metadata"]["annotations"]}
        waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": shapes("Wa")["YAML"]}}
        pod["status"] = {"phase": "Running", "containerStatuses": [{**status, "state": waiting}]}
        cluster.put(pod)
        for number, text in enumerate(shapes("Ev").values()):
            about = {"kind": "Pod", "name": f"checkout-api-{suffix}", "namespace": "prod"}
            body = {
                "involvedObject": about,
                "reason": "Failed",
                "message": f"Error: {text}",
                "count": 2,
                "type": "Warning",
            }
            cluster.put(thing("Event", f"e{suffix}{number}", **body, lastTimestamp=stamp()))
        lines = [
            f"{stamp()} {line}" for text in shapes("Lo").values() for line in (f"ERROR {text}", f'KeyError: "X" {text}')
        ]
        lines.append(f"{stamp()} connecting with {plain} and {data['plain']}: Connection refused")
        for previous in (False, True):
            cluster.log_lines["prod", f"checkout-api-{suffix}", "app", previous] = "\n".join(lines) + "\n"
    monkeypatch.setattr(
        wiring, "open_world", lambda args, reporter: (World(**{**_fields(found), "reporter": reporter}), RELEASE)
    )
    return found


def _fields(found: World) -> dict[str, Any]:
    return {name: getattr(found, name) for name in World.__slots__}


COMMANDS = (
    *(["plan", "checkout-api", "1", "-o", output] for output in ("text", "json", "yaml")),
    *(["check", "checkout-api", "1", "-o", output] for output in ("text", "json", "junit", "sarif", "github")),
    *(["history", "checkout-api", "-o", output] for output in ("text", "json")),
    *(["autopsy", "checkout-api", "-o", output] for output in ("text", "json", "yaml")),
    ["rbac", "checkout-api"],
    [
        "run",
        "checkout-api",
        "1",
        "--yes",
        "--strategy",
        "native",
        "--bake",
        "2s",
        "-o",
        "jsonl",
        "--accept",
        "CFG-004=test",
    ],
    *(["status", "checkout-api", "-o", output] for output in ("text", "json")),
    *(["report", "checkout-api", "-o", output] for output in ("html", "md", "json")),
)


def test_no_secret_gets_out(made: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = {}
    for command in COMMANDS:
        extra = ["--output-dir", str(tmp_path / "out")] if command[0] == "autopsy" else []
        code = main([*command, *extra])
        out = capsys.readouterr()
        assert code in (0, 1, 3, 5), (command, out.err)
        said[" ".join(command)] = f"{out.out}\n{out.err}"
    records = runs_of(made.cluster, RELEASE)
    assert records, "a run was made"
    said["the journal"] = told([record.to_json() for each in records.values() for record in each])
    found = {name: leaks(text) for name, text in [*said.items(), *files_below(tmp_path)]}
    assert any(name.endswith(".log") for name in found), "logs were saved"
    assert any(".tar.gz:" in name for name in found), "an archive was made"
    assert {name: spots for name, spots in found.items() if spots} == {}
    assert "Connection refused" in " ".join(text for _, text in files_below(tmp_path)), "the rest of the line stays"


def test_no_secret_gets_out_of_a_staged_run(tmp_path: Path) -> None:
    """A standby is a copy of what the chart says, secrets included: it goes to the cluster, and nowhere else."""
    chart = [shop.service(), shop.route()]
    sides = []
    for tag in ("1", "2"):
        obj = shop.deployment(tag)
        container = obj["spec"]["template"]["spec"]["containers"][0]
        container["env"] = [{"name": name, "value": text} for name, text in PLAIN.items()]
        obj["spec"]["template"]["metadata"]["annotations"] = dict(enumerate_names(shapes("An")))
        sides.append([obj, *chart])
    made = shop.shop(tmp_path, "ssa", *sides)
    for key, obj in list(made.cluster.objects.items()):
        if key[1] == "Pod":
            lines = "".join(f"{stamp()} ERROR {line}\n" for text in shapes("Lo").values() for line in text.split("\n"))
            made.cluster.log_lines[key[2], key[3], "app", False] = lines
            assert leaks(told(obj)), "the pods have them"
    begin(made)
    progress = progress_of(made)
    assert (progress.end, "standby" in progress.done) == ("SUCCEEDED", True)
    runs = runs_of(made.cluster, RELEASE)
    (run,) = runs
    review_ = review(RELEASE, run, runs[run])
    said = {output: page(review_, output) for output in FORMATS}
    said["journal"] = told([record.to_json() for record in runs[run]])
    said["events"] = told([str(event) for event in made.world.reporter.events])  # type: ignore[attr-defined]
    found = {name: leaks(text) for name, text in [*said.items(), *files_below(tmp_path)]}
    assert {name: spots for name, spots in found.items() if spots} == {}


def enumerate_names(rows: dict[str, str]) -> list[tuple[str, str]]:
    return [(f"note-{number}", text) for number, text in enumerate(rows.values())]


@pytest.mark.parametrize("name", ROWS)
def test_each_shape_is_masked_and_a_second_time_changes_nothing(name: str) -> None:
    for text in (shapes("Te")[name], f"2026-01-02T03:04:05Z INFO [main] x: {shapes('Te')[name]}"):
        masked = redact(text)
        assert leaks(masked) == []
        assert redact(masked) == masked
    shown = redact_object(
        {"kind": "Pod", "spec": {"x": [shapes("Te")[name]]}, "metadata": {"annotations": {"a": shapes("Te")[name]}}}
    )
    assert leaks(json.dumps(shown)) == []


def test_the_search_itself_finds() -> None:
    """A search that cannot find proves nothing."""
    for text in shapes("Te").values():
        assert leaks(text)
        for shift in range(3):
            assert leaks(base64.b64encode(b"x" * shift + text.encode()).decode()), text
