"""A Kustomize build as a Helm release, with the real kustomize and both Helms: deployed, compared, adopted, refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helm_safe.sandbox.cluster import Sandbox
from tests.krm.tools import Tools
from tests.kustomizing import KUSTOMIZATION, Kustomize

pytestmark = pytest.mark.cluster

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web, labels: {team: front}}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""
SETTINGS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {mode: PLACE, old: "yes"}
"""
WIDGETS = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: PLURAL.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: KIND, plural: PLURAL, singular: SINGULAR}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
apiVersion: example.com/v1
kind: KIND
metadata: {name: one}
"""


@pytest.fixture(params=[3, 4], ids=["helm3", "helm4"])
def shop(request: pytest.FixtureRequest, sandbox: Sandbox, namespace: str, tmp_path: Path) -> Kustomize:
    (tmp_path / "bin").mkdir()
    return Kustomize(sandbox, request.param, namespace, tmp_path, Tools(tmp_path / "bin"))


def test_builds_become_revisions_and_go_back(shop: Kustomize) -> None:
    """Braces survive, what is no longer generated goes and comes back with its name, the same build is no revision."""
    shop.write(SERVICE, SETTINGS.replace("PLACE", "one"))
    first = shop.deploy("--yes", "-o", "json")
    assert first.returncode == 0, first.stderr
    document = json.loads(first.stdout)
    assert (document["revision"], document["deployed"], document["source"]["overlay"]) == (1, True, "app")
    assert {each["change"] for each in document["changes"]} == {"added"}
    made = next(each["object"] for each in document["changes"] if each["object"].startswith("ConfigMap/text-"))
    assert shop.live(made)["data"] == {"a": "Hello {{ .Values.x }} {{`raw`}}"}
    assert json.loads(shop.deploy("--yes", "-o", "json").stdout)["deployed"] is False
    shop.write(SETTINGS.replace("PLACE", "two"), kustomization=KUSTOMIZATION.replace("Hello", "Goodbye"))
    shown = shop.deploy("--dry-run")
    assert "changed  ConfigMap/settings: data.mode" in shown.stdout
    assert "removed  Service/web" in shown.stdout
    assert shop.deploy("--yes").returncode == 0
    assert [row["status"] for row in shop.history()] == ["superseded", "deployed"]
    assert (shop.live("service/web"), shop.live(made)) == (None, None)
    back = shop.call(sys.executable, "-m", "helm_safe", "shop", "1", "--yes", "--bake", "0s", "-n", shop.namespace)
    assert back.returncode == 0, back.stdout + back.stderr
    assert shop.live("configmap/settings")["data"]["mode"] == "one"
    assert shop.live(made)["data"] == {"a": "Hello {{ .Values.x }} {{`raw`}}"}
    assert shop.live("service/web")["metadata"]["labels"]["team"] == "front"


@pytest.mark.parametrize("way", [(), ("--server-side",)], ids=["client-side", "server-side"])
def test_objects_of_kubectl_are_adopted_when_asked(shop: Kustomize, way: tuple[str, ...]) -> None:
    applied = shop.call(
        "kubectl",
        "apply",
        *way,
        "-n",
        shop.namespace,
        "-f",
        "-",
        text=SETTINGS.replace("PLACE", "old") + "---\n" + SERVICE,
    )
    assert applied.returncode == 0, applied.stderr
    shop.write(SERVICE, SETTINGS.replace("PLACE", "new").replace(', old: "yes"', ""))
    refused = shop.deploy("--yes")
    assert refused.returncode == 3
    assert "Service/web" in refused.stderr
    assert "--adopt" in refused.stderr
    assert shop.history() == []
    assert shop.live("configmap/settings")["data"]["mode"] == "old"
    done = shop.deploy("--yes", "--adopt")
    assert done.returncode == 0, done.stdout + done.stderr
    live = shop.live("configmap/settings")
    assert live["data"]["mode"] == "new"
    assert live["metadata"]["annotations"]["meta.helm.sh/release-name"] == "shop"
    managers = {each["manager"] for each in live["metadata"]["managedFields"]}
    assert not managers & {"kubectl", "kubectl-client-side-apply"}, managers
    shop.write(SERVICE.replace("front", "back"), SETTINGS.replace("PLACE", "newer"))
    assert shop.deploy("--yes").returncode == 0
    assert shop.live("service/web")["metadata"]["labels"]["team"] == "back"


def test_objects_of_another_release_are_never_adopted(shop: Kustomize) -> None:
    shop.write(SERVICE)
    command = [sys.executable, "-m", "helm_safe", "kustomize", "first", str(shop.folder / "app"), "--yes"]
    assert shop.call(*command, "-n", shop.namespace).returncode == 0
    refused = shop.deploy("--yes", "--adopt")
    assert refused.returncode == 3
    assert "belongs to release first" in refused.stderr


def test_definitions_and_what_is_of_them_in_one_build(shop: Kustomize) -> None:
    """Helm looks all kinds up first; and what would take everything with it is kept when the release goes."""
    kind = f"Widget{shop.namespace[-4:]}"
    names = {"KIND": kind, "PLURAL": f"{kind.lower()}s", "SINGULAR": kind.lower()}
    text = WIDGETS
    for word, name in names.items():
        text = text.replace(word, name)
    shop.write(text)
    try:
        done = shop.deploy("--yes")
        assert done.returncode == 0, done.stdout + done.stderr
        assert shop.live(f"{kind.lower()}/one")
        shop.write(text.replace("name: one", "name: two"))
        assert shop.deploy("--yes").returncode == 0
        assert shop.call(shop.helm, "uninstall", "shop", "-n", shop.namespace).returncode == 0
        assert shop.live(f"crd/{names['PLURAL']}.example.com")
    finally:
        shop.call("kubectl", "delete", "crd", f"{names['PLURAL']}.example.com", "--ignore-not-found")


BAD = [
    (("resources: []\n", ""), "is empty: deployed, it would delete everything"),
    (("resources: [none.yaml]\n", ""), "failed: Error"),
    (
        (KUSTOMIZATION, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: big}\ndata:\n  a: NOISE\n"),
        "too large for a record",
    ),
]


@pytest.mark.parametrize(("files", "told"), BAD, ids=["empty", "broken", "large"])
def test_what_cannot_be_a_release_is_refused(shop: Kustomize, files: tuple[str, str], told: str) -> None:
    noise = os.urandom(900_000).hex()
    shop.write(files[1].replace("NOISE", noise), kustomization=files[0])
    done = shop.deploy("--yes")
    assert (done.returncode, shop.history()) == (3, [])
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_usage(shop: Kustomize) -> None:
    shop.write(SERVICE)
    for words, told in (
        (["--kustomize", "no-such-program"], "no-such-program"),
        (["--timeout", "soon"], "--timeout soon"),
    ):
        done = shop.deploy("--yes", *words)
        assert done.returncode == 2, done.stderr
        assert told in done.stderr
    missing = shop.call(sys.executable, "-m", "helm_safe", "kustomize", "shop", str(shop.folder / "none"), "--yes")
    assert missing.returncode == 2
    assert "is no folder" in missing.stderr
    assert shop.call(sys.executable, "-m", "helm_safe", "kustomize", "shop").returncode == 2


def test_a_live_namespace_is_verified(shop: Kustomize) -> None:
    """No workload proves nothing; one without the marker is named; what a controller made is not asked for it."""

    def verify(*words: str) -> subprocess.CompletedProcess[str]:
        return shop.call(sys.executable, "-m", "helm_safe", "krm", "verify", "--live", "-n", shop.namespace, *words)

    assert (verify().returncode, verify().stdout) == (1, "")
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "sandbox/web:1-good"}]}}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    applied = shop.call("kubectl", "apply", "-n", shop.namespace, "-f", "-", text=json.dumps({**body, "spec": spec}))
    assert applied.returncode == 0, applied.stderr
    missing = verify()
    assert missing.returncode == 1
    assert f"no RolloutDefaults looked after Deployment/web in namespace {shop.namespace}" in missing.stderr
    shop.call("kubectl", "annotate", "-n", shop.namespace, "deploy/web", "helm-safe.dev/defaults=prod")
    assert verify().stdout == "RolloutDefaults looked after all 1 workloads.\n"
    assert verify("--confg", "x").returncode == 2
