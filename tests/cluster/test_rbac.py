"""`rbac` prints enough and nothing to spare: a whole rollback runs with it, and `plan` misses every rule taken away."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.stage import RELEASE, Stage
from tests.cluster.troubled import policy_file

pytestmark = pytest.mark.cluster
USER = "limited"


def powerless(stage: Stage, tmp_path: Path) -> Stage:
    """The same stage, seen by a user who has no rights but those that are bound to him."""
    config = json.loads(stage.sandbox.kubeconfig.read_text(encoding="utf-8"))
    config["users"][0]["user"] = {"token": stage.sandbox.tokens[USER]}
    path = tmp_path / "limited"
    path.write_text(json.dumps(config), encoding="utf-8")
    theirs = copy.copy(stage)
    theirs.env = {**stage.env, "KUBECONFIG": str(path)}
    return theirs


def grant(stage: Stage, role: dict[str, Any]) -> None:
    stage.call("kubectl", "apply", "-f", "-", feed=json.dumps(role))


def stands_against(done: Any) -> str:
    """What `plan` says is missing: its error, or its findings that block or could not be verified."""
    if done.returncode not in (0, 3):
        return str(done.stderr)
    findings = json.loads(done.stdout)["findings"]
    return json.dumps([each for each in findings if each["status"] != "pass" and each["severity"] != "info"])


def bind(stage: Stage, role: dict[str, Any]) -> None:
    """Give the role, as `rbac` printed it, to the limited user."""
    grant(stage, role)
    name, where = role["metadata"]["name"], role["metadata"]["namespace"]
    stage.call("kubectl", "-n", where, "create", "rolebinding", name, f"--role={name}", f"--user={USER}")


def without(verb: str, resource: str, rule: dict[str, Any]) -> dict[str, Any]:
    concerned = resource in rule["resources"]
    return {**rule, "verbs": [each for each in rule["verbs"] if each != verb]} if concerned else rule


@pytest.mark.timeout(480)
def test_a_whole_rollback_runs_with_exactly_the_role_and_every_rule_is_needed(
    sandbox: Sandbox, namespace: str, tmp_path: Path
) -> None:
    stage = Stage(sandbox, 4, namespace)
    stage.deploy("1-good", "autoscaling.minReplicas=1", pods=1)
    stage.deploy("2-broken-40", "autoscaling.minReplicas=1", pods=1)
    (role,) = json.loads(stage.safe("rbac", RELEASE, "1", "-o", "json").stdout)["items"]
    theirs = powerless(stage, tmp_path)
    assert "forbidden" in theirs.safe("plan", RELEASE, "1", fails=True).stderr.lower()

    bind(stage, role)
    policy = tmp_path / "helm-safe.yaml"
    policy.write_text("{apiVersion: helm-safe.dev/v1alpha1, kind: RollbackPolicy}\n", encoding="utf-8")
    planned = ("plan", RELEASE, "1", "-o", "json")
    whole = stands_against(theirs.safe(*planned, fails=True))
    for rule in role["rules"]:
        grant(stage, {**role, "rules": [each for each in role["rules"] if each is not rule]})
        said = stands_against(theirs.safe(*planned, "--policy", str(policy), fails=True))
        assert said != whole, f"nobody misses {rule}"
        assert all(resource.split("/")[0] in said for resource in rule["resources"]), (rule, said)
        if "configmaps" in rule["resources"]:
            assert "has a policy cannot be seen" in stands_against(theirs.safe(*planned, fails=True))

    grant(stage, role)
    theirs.safe(RELEASE, "1", "--yes", "--bake", "2s", "--strategy", "native")  # without the gateway's numbers
    standing = stage.standing()
    assert (standing.ready, standing.revision, standing.status) == (1, 3, "deployed")


@pytest.mark.timeout(400)
@pytest.mark.dataplane
def test_a_whole_staged_run_with_exactly_the_roles(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    """A Role for the release's namespace and one for the gateway's, under load; none for the rest of the cluster."""
    stage = Stage(sandbox, 4, namespace)
    stage.deploy("1-good", "autoscaling.minReplicas=1", pods=1)
    stage.deploy("2-good", "autoscaling.minReplicas=1", pods=1)
    stage.await_route()
    flags = policy_file("{metrics: {scrape: {namespace: sandbox-gateway}}}", tmp_path)
    ours, gateways = json.loads(stage.safe("rbac", RELEASE, "1", "-o", "json", *flags).stdout)["items"]
    assert (gateways["kind"], gateways["metadata"]["namespace"]) == ("Role", "sandbox-gateway")
    theirs = powerless(stage, tmp_path)
    bind(stage, ours)
    staged = ("--strategy", "standby", "--steps", "50,100", *flags)
    planned = ("plan", RELEASE, "1", "-o", "json", *staged)
    try:
        assert "GATE-001" in stands_against(theirs.safe(*planned, fails=True))
        bind(stage, gateways)
        whole = stands_against(theirs.safe(*planned, fails=True))
        assert "GATE-001" not in whole
        for rule in ours["rules"]:
            grant(stage, {**ours, "rules": [each for each in ours["rules"] if each is not rule]})
            said = stands_against(theirs.safe(*planned, fails=True))
            if rule["resources"] != ["configmaps"]:  # for a policy that no file names
                assert said != whole, f"nobody misses {rule}"
        grant(stage, {**ours, "rules": [without("patch", "pods", rule) for rule in ours["rules"]]})
        assert "patch pods" in stands_against(theirs.safe(*planned, fails=True))
        native = theirs.safe(*planned, "--strategy", "native", fails=True)
        assert "patch pods" not in stands_against(native)
        grant(stage, ours)
        with stage.load(rate=40, seconds=300):
            done = theirs.safe(RELEASE, "1", "--yes", "--bake", "2s", *staged, fails=True)
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        name = gateways["metadata"]["name"]
        doomed = ("delete", "--ignore-not-found", f"role/{name}", f"rolebinding/{name}")
        stage.call("kubectl", "-n", "sandbox-gateway", *doomed)
    standing = stage.standing()
    assert (standing.ready, standing.revision, standing.status) == (1, 3, "deployed")
