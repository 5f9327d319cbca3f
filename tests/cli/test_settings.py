"""Who wins, through the commands as they are typed: flags, ConfigMap or file, annotations of both revisions."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from helm_safe.cli import wiring
from helm_safe.cli.main import main
from helm_safe.cli.policy import CONFIG_MAP, KEY
from helm_safe.core.objects import Object
from helm_safe.core.yamlio import dump
from helm_safe.model.errors import Forbidden
from helm_safe.rollback import control
from helm_safe.rollback.context import World
from helm_safe.rollback.runs import latest_run
from tests.fakes.cluster import Fault
from tests.fakes.runs import RELEASE, START, Helm, deployment, world
from tests.report.test_schemas import check

Plan = Callable[..., dict[str, Any]]
IN_NAMESPACE = f"ConfigMap/{CONFIG_MAP} in namespace prod"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Revision 2 is live and revision 1 was good; the commands reach this world instead of a cluster."""
    found = world(tmp_path)
    monkeypatch.setattr(wiring, "open_world", lambda args, reporter: (found, RELEASE))
    return found


@pytest.fixture
def plan(made: World, capsys: pytest.CaptureFixture[str]) -> Plan:
    """`plan` with flags, as its JSON document."""

    def run(*flags: str, target: int = 1) -> dict[str, Any]:
        main(["plan", "checkout-api", str(target), "-o", "json", *flags])
        body: dict[str, Any] = json.loads(capsys.readouterr().out)
        check(body, "plan")
        return body

    return run


def annotated(tag: str, **values: str) -> Object:
    obj = deployment(tag)
    obj["metadata"]["annotations"] = {f"helm-safe.dev/{name.replace('_', '-')}": text for name, text in values.items()}
    return obj


def upgrade(made: World, *objects: Object, minutes: float) -> None:
    assert isinstance(made.releases, Helm)
    made.releases.upgrade(RELEASE, *objects, at=START - timedelta(minutes=minutes))


def policy(**spec: Any) -> str:
    return dump({"apiVersion": "helm-safe.dev/v1alpha1", "kind": "RollbackPolicy", "spec": spec})


def bind(made: World, **spec: Any) -> None:
    """The namespace's policy."""
    meta = {"name": CONFIG_MAP, "namespace": "prod"}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {KEY: policy(**spec)}}
    made.cluster.put(config)  # type: ignore[attr-defined]


def test_flag_before_policy_before_current_before_target_before_default(made: World, plan: Plan) -> None:
    """The weakest first; each next one takes over, and the plan says where the value comes from."""
    seen = [plan()]
    upgrade(made, annotated("3", bake="4m"), minutes=4)
    upgrade(made, deployment("4"), minutes=3)
    seen.append(plan(target=3))
    upgrade(made, annotated("5", bake="3m"), minutes=2)
    seen.append(plan(target=3))
    bind(made, bake="2m")
    seen += [plan(target=3), plan("--bake", "1m", target=3)]
    assert [body["chosen"].get("bake") for body in seen] == [
        None,
        {"value": 240.0, "source": "helm-safe.dev/bake on Deployment/checkout-api of revision 3"},
        {"value": 180.0, "source": "helm-safe.dev/bake on Deployment/checkout-api of revision 5"},
        {"value": 120.0, "source": IN_NAMESPACE},
        {"value": 60.0, "source": "--bake"},
    ]
    watches = [step["args"]["bake"] for body in seen for step in body["steps"] if step["id"] == "watch"]
    assert watches == [60.0, 240.0, 180.0, 120.0, 60.0]


def test_a_file_before_the_config_map(made: World, plan: Plan, tmp_path: Path) -> None:
    """Then the ConfigMap is not even read."""
    bind(made, bake="2m", timeout="1h")
    (tmp_path / "p.yaml").write_text(policy(bake="5m"))
    made.cluster.faults.append(Fault("get", Forbidden("no", status=403), kind="ConfigMap"))  # type: ignore[attr-defined]
    found = plan("--policy", str(tmp_path / "p.yaml"))
    assert found["chosen"] == {"bake": {"value": 300.0, "source": f"policy file {tmp_path / 'p.yaml'}"}}


def test_every_command_obeys(made: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The policy makes no revision good enough, so none is proposed: by plan, check, a dry run, the run, and history."""
    bind(made, **{"known-good-after": "100h"})
    for command in (["plan"], ["check"], ["run", "--dry-run"], ["run", "--yes"]):
        assert main([command[0], "checkout-api", *command[1:]]) == 2
        assert "evidence of having been good" in capsys.readouterr().err
    assert main(["history", "checkout-api"]) == 0
    assert "less than 4 days" in capsys.readouterr().out


def test_the_plan_shows_what_was_chosen_and_no_defaults(made: World, capsys: pytest.CaptureFixture[str]) -> None:
    bind(made, gates={"success-rate": "99.5%"}, isolate="always")
    main(["plan", "checkout-api", "1", "--steps", "10,100"])
    shown = capsys.readouterr().out
    start = shown.index("Settings:")
    assert shown[start : shown.index("Steps (")].splitlines() == [
        "Settings:",
        "  steps: 10,100  (--steps)",
        f"  isolate: always  ({IN_NAMESPACE})",
        f"  gates.success-rate: 99.5%  ({IN_NAMESPACE})",
    ]


def test_without_choices_there_is_no_block(made: World, capsys: pytest.CaptureFixture[str]) -> None:
    main(["plan", "checkout-api", "1"])
    assert "Settings:" not in capsys.readouterr().out


def test_a_run_journals_its_values_for_resume(made: World) -> None:
    """Another machine, without the flags, goes on with the same ones and their sources."""
    bind(made, **{"warm-up": {"least": 30}})
    assert main(["checkout-api", "1", "--yes", "--bake", "2s", "--steps", "10,100"]) == 0
    state = latest_run(made, RELEASE)
    assert state
    assert state.progress.plan
    settings = control._settings_of(state.progress.plan, control.Settings())
    assert (settings.steps, settings.bake) == ((10, 100), 2.0)
    assert {key: setting.source for key, setting in settings.resolved.chosen().items()} == {
        "steps": "--steps",
        "bake": "--bake",
        "warm-up.least": IN_NAMESPACE,
    }
    assert settings.resolved.value("warm-up.least") == 30


def test_every_mistake_of_a_policy_is_told_and_nothing_is_written(
    made: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "p.yaml").write_text(policy(stepps="1", bake="soon", severities={"HIST-1": "error"}))
    bind(made, bake="soon")
    before = dict(made.cluster.objects)  # type: ignore[attr-defined]
    for flags, words in (
        (["--policy", str(tmp_path / "p.yaml")], ["stepps is not known (did you mean steps?)", "spec.bake", "HIST-1"]),
        (["--policy", str(tmp_path / "absent")], ["absent cannot be read: No such file"]),
        ([], [IN_NAMESPACE, "spec.bake"]),
    ):
        for command in ("plan", "check", "run"):
            assert main([command, "checkout-api", "1", *flags]) == 2
            out, err = capsys.readouterr()
            assert out == ""
            assert [each for each in words if each not in err] == []
    assert made.cluster.objects == before  # type: ignore[attr-defined]


def test_a_policy_cannot_soften_what_must_stand(made: World, capsys: pytest.CaptureFixture[str]) -> None:
    late = {"id": "API-REM-001", "reason": "x", "expires": "2027-01-01"}
    bind(made, severities={"API-REM-001": "info"}, waivers=[late])
    assert main(["plan", "checkout-api", "1"]) == 2
    err = capsys.readouterr().err
    assert (
        "API-REM-001 (API removed) cannot be made milder than error; API-REM-001 (API removed) cannot be waived" in err
    )


def test_waivers_and_severities_count_until_they_expire(made: World, plan: Plan) -> None:
    """A missing Secret blocks; the policy softens it, waives it, or lost its say."""
    upgrade(made, deployment("3", serviceAccountName="runner"), minutes=4)  # type: ignore[arg-type]
    upgrade(made, deployment("4"), minutes=3)
    waiver = {"id": "CFG-004", "reason": "made by an operator", "expires": "2026-01-02"}
    seen = []
    for spec in ({}, {"severities": {"CFG-004": "warning"}}, {"waivers": [waiver]}):
        bind(made, **spec)  # type: ignore[arg-type]
        seen.append(next(each for each in plan(target=3)["findings"] if each["check"] == "CFG-004"))
    assert [(each["status"], each["severity"]) for each in seen] == [
        ("fail", "error"),
        ("fail", "warning"),
        ("waived", "error"),
    ]
    assert seen[2]["waiver"] == "made by an operator (policy, until 2026-01-02)"


def test_an_expired_waiver_is_told_once_and_does_not_count(made: World, plan: Plan) -> None:
    upgrade(made, deployment("3", serviceAccountName="runner"), minutes=4)  # type: ignore[arg-type]
    upgrade(made, deployment("4"), minutes=3)
    bind(made, waivers=[{"id": "CFG-004", "reason": "until the move", "expires": "2026-01-01"}])
    found = plan(target=3)
    assert found["blocked"]
    told = [event.message for event in made.reporter.events]  # type: ignore[attr-defined]
    assert told == [f"the waiver of CFG-004 in {IN_NAMESPACE} expired on 2026-01-01 (until the move)"]


def test_a_broken_annotation_is_named_and_overruled_by_a_flag(
    made: World, plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    upgrade(made, annotated("3", steps="50,10"), minutes=1)
    assert main(["plan", "checkout-api", "1"]) == 2
    assert "helm-safe.dev/steps on Deployment/checkout-api of revision 3: '50,10'" in capsys.readouterr().err
    assert plan("--steps", "100")["chosen"]["steps"] == {"value": [100], "source": "--steps"}
