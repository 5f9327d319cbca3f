"""Bad input and a bad world, through the program as users run it: one paragraph, the right code, nothing touched."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: shop\nversion: 0.1.0\n",
    "values.yaml": "tag: '1'\n",
    "templates/all.yaml": """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {tag: "{{ .Values.tag }}"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
      - {name: app, image: "sandbox/shop:{{ .Values.tag }}", envFrom: [{secretRef: {name: api-keys}}]}
""",
}
POLICY = "apiVersion: helm-safe.dev/v1alpha1\nkind: RollbackPolicy\n"


class Shop:
    """A release with two revisions in a namespace of its own, and ways to run programs against it."""

    def __init__(self, sandbox: Any, namespace: str, folder: Path) -> None:
        self.sandbox, self.namespace, self.folder = sandbox, namespace, folder
        self.env = {**os.environ, **sandbox.env(), "XDG_STATE_HOME": str(folder / "state")}
        self.env["HELM_BIN"] = str(sandbox.helm(4))
        for name, text in CHART.items():
            path = folder / "chart" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.kubectl("create", "secret", "generic", "api-keys", "--from-literal=key=canary-value-1")
        for tag in ("1", "2"):
            self.upgrade(tag)

    def upgrade(self, tag: str) -> None:
        command = [self.env["HELM_BIN"], "upgrade", "--install", "shop", str(self.folder / "chart")]
        subprocess.run(
            [*command, "-n", self.namespace, "--set-string", f"tag={tag}"],
            env=self.env,
            check=True,
            capture_output=True,
        )

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        command = ["kubectl", "-n", self.namespace, *arguments]
        return subprocess.run(command, env=self.env, check=True, capture_output=True, text=True, input=stdin).stdout

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "helm_safe", *arguments, "-n", self.namespace]
        return subprocess.run(
            command, env={**self.env, **env}, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
        )

    def state(self) -> Any:
        """What must not change: every object of the namespace but events, Leases and journals."""
        kinds = "deployments,configmaps,services,secrets"
        found = json.loads(self.kubectl("get", kinds, "-o", "json"))["items"]
        return sorted((o["kind"], o["metadata"]["name"], o["metadata"]["resourceVersion"]) for o in found
                      if o.get("type") != "helm-safe.dev/journal" and o["kind"] != "Deployment")  # fmt: skip


@pytest.fixture
def shop(sandbox: Any, namespace: str, tmp_path: Path) -> Iterator[Shop]:
    return Shop(sandbox, namespace, tmp_path)


pytestmark = pytest.mark.cluster


def assert_refused(result: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    text = result.stdout + result.stderr
    assert result.returncode == code, text
    for word in words:
        assert word in text
    assert "Traceback" not in text
    assert "canary-value-1" not in text


def test_names_that_do_not_exist(shop: Shop) -> None:
    """An unknown release or revision is named, with what to look at."""
    before = shop.state()
    assert_refused(shop.run("nope", "1", "--yes"), 2, "there is no release nope", "helm list")
    assert_refused(shop.run("shop", "9", "--yes"), 2, "no revision 9", "Its revisions: 1, 2")
    assert_refused(shop.run("shop", "--yes"), 2, "no revision of shop", "evidence")
    assert shop.state() == before
    assert shop.kubectl("get", "leases", "-o", "name").count("helm-safe.nope") == 0


def test_a_missing_secret_blocks_and_is_named(shop: Shop) -> None:
    """What revision 1 needs and is gone is an error with exit 3; accepting it is possible and visible."""
    shop.kubectl("delete", "secret", "api-keys")
    before = shop.state()
    assert_refused(shop.run("plan", "shop", "1"), 3, "CFG-004", "api-keys")
    assert_refused(shop.run("shop", "1", "--yes"), 3, "blocked by CFG-004")
    assert shop.state() == before
    accepted = shop.run("check", "shop", "1", "--accept", "CFG-004=restored by hand", "-o", "json")
    assert accepted.returncode == 0, accepted.stdout
    assert any(f["status"] == "waived" for f in json.loads(accepted.stdout)["findings"])


def test_plan_and_check_change_nothing(shop: Shop) -> None:
    """Not a Lease, not a journal, not an object."""
    before = shop.kubectl("get", "secrets,configmaps,leases", "-o", "json")
    shop.run("plan", "shop", "1")
    shop.run("check", "shop", "1")
    shop.run("shop", "1", "--dry-run")
    assert shop.kubectl("get", "secrets,configmaps,leases", "-o", "json") == before


def test_a_corrupt_record_is_reported_and_survived(shop: Shop) -> None:
    """history shows the rest; rolling back to the broken one is refused by name."""
    shop.upgrade("3")
    body = json.dumps({"data": {"release": base64.b64encode(b"rubbish").decode()}})
    shop.kubectl("patch", "secret", "sh.helm.release.v1.shop.v1", "-p", body)
    history = shop.run("history", "shop", "-o", "json")
    assert history.returncode == 0, history.stderr
    assert [r["revision"] for r in json.loads(history.stdout)["revisions"]] == [2, 3]
    assert_refused(shop.run("shop", "1", "--yes"), 2, "no revision 1")


def test_a_removed_api_blocks(shop: Shop) -> None:
    """A kind that the server does not serve would leave a stuck record."""
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"gadgets.{shop.namespace}.example.com"},
        "spec": {
            "group": f"{shop.namespace}.example.com",
            "scope": "Namespaced",
            "names": {"kind": "Gadget", "plural": "gadgets"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    }
    shop.kubectl("apply", "-f", "-", stdin=json.dumps(crd))
    shop.kubectl("wait", "--for=condition=Established", f"crd/gadgets.{shop.namespace}.example.com")
    gadget = shop.folder / "chart" / "templates" / "gadget.yaml"
    gadget.write_text(f"apiVersion: {shop.namespace}.example.com/v1\nkind: Gadget\nmetadata: {{name: g}}\n")
    shop.upgrade("3")
    gadget.unlink()
    shop.upgrade("4")
    shop.kubectl("delete", "crd", f"gadgets.{shop.namespace}.example.com")
    assert_refused(shop.run("shop", "3", "--yes"), 3, "API-REM-001", "Gadget")


def test_a_broken_world(shop: Shop, tmp_path: Path) -> None:
    """Kubeconfig, API server and helm that are missing or broken are told apart."""
    broken = tmp_path / "broken"
    broken.write_text("clusters: [")
    assert_refused(shop.run("plan", "shop", "1", KUBECONFIG=str(broken)), 2, "broken")
    assert_refused(shop.run("plan", "shop", "1", KUBECONFIG=str(tmp_path / "absent")), 2, "kubeconfig")
    assert_refused(shop.run("plan", "shop", "1", "--kube-context", "absent"), 2, "absent")
    assert_refused(shop.run("plan", "shop", "1", HELM_KUBEAPISERVER="https://127.0.0.1:1"), 2, "127.0.0.1:1")
    assert_refused(shop.run("plan", "shop", "1", HELM_BIN=str(tmp_path / "no-helm")), 2, "helm")
    assert_refused(shop.run("plan", "shop", "1", HELM_KUBETOKEN="expired"), 2, "credentials")
    old = tmp_path / "old-helm"
    old.write_text("#!/bin/sh\necho v2.17.0\n")
    old.chmod(0o755)
    assert_refused(shop.run("plan", "shop", "1", HELM_BIN=str(old)), 2, "2.17")


def test_one_missing_permission_is_named(shop: Shop) -> None:
    """A user who may not list one kind gets `unverified`, never a pass; one who may do nothing gets the verb."""
    policy = shop.folder / "helm-safe.yaml"
    policy.write_text(POLICY + "spec: {}\n")
    stranger = {"HELM_KUBEASUSER": "stranger"}
    assert_refused(shop.run("plan", "shop", "1", **stranger), 2, "configmaps", "get", "--policy FILE")
    assert_refused(shop.run("plan", "shop", "1", "--policy", str(policy), **stranger), 2, "secrets", "list")


def test_a_policy_binds_every_command(shop: Shop) -> None:
    """A broken one stops them before anything is written; a valid one shows in the plan, where a flag overrules it."""
    before = shop.kubectl("get", "secrets,leases", "-o", "json")
    policy = shop.folder / "helm-safe.yaml"
    policy.write_text(POLICY + "spec: {stepps: [1, 100], bake: soon}\n")
    for command in (["plan", "shop", "1"], ["check", "shop", "1"], ["shop", "1", "--yes"], ["history", "shop"]):
        assert_refused(shop.run(*command, "--policy", str(policy)), 2, "did you mean steps?", "spec.bake")
    shop.kubectl("create", "configmap", "helm-safe-policy", f"--from-file={policy}")
    assert_refused(shop.run("shop", "1", "--yes"), 2, "ConfigMap/helm-safe-policy", "spec.bake")
    assert shop.kubectl("get", "secrets,leases", "-o", "json") == before

    policy.write_text(POLICY + "spec: {timeout: 5m, bake: 10s}\n")
    shop.kubectl("delete", "configmap", "helm-safe-policy")
    shop.kubectl("create", "configmap", "helm-safe-policy", f"--from-file={policy}")
    source = f"ConfigMap/helm-safe-policy in namespace {shop.namespace}"
    chosen = json.loads(shop.run("plan", "shop", "1", "--bake", "2s", "-o", "json").stdout)["chosen"]
    assert chosen == {"bake": {"value": 2, "source": "--bake"}, "timeout": {"value": 300, "source": source}}
