"""Releases that fail on the real control plane: `autopsy` names the true cause, saves it, and changes nothing."""

from __future__ import annotations

import base64
import json
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from helm_safe.core.objects import Object
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.stage import Stage
from tests.cluster.test_rbac import bind, powerless
from tests.fakes.planted import files_below, leaks, shapes

pytestmark = pytest.mark.cluster
APP = "shop"
OURS = "sandbox.helm-safe.dev/"
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\nappVersion: '1'\n",
    "templates/all.yaml": "{{ range .Values.objects }}\n---\n{{ toYaml . }}\n{{ end }}",
}
PATIENCE = 90.0


def deployment(tag: str = "1-good", annotations: dict[str, str] | None = None, **container: Any) -> Object:
    marks = {OURS + key: value for key, value in (annotations or {}).items()}
    app = {"name": "app", "image": f"sandbox/{APP}:{tag}", "ports": [{"containerPort": 8080}], **container}
    labels = {"app": APP}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": APP},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels, "annotations": marks}, "spec": {"containers": [app]}},
        },
    }


def probe(port: int) -> Object:
    return {"readinessProbe": {"httpGet": {"path": "/", "port": port}, "periodSeconds": 1}}


def migration(**annotations: str) -> Object:
    marks = {OURS + key.replace("_", "-"): value for key, value in annotations.items()}
    pod = {"restartPolicy": "Never", "containers": [{"name": "migrate", "image": "sandbox/migrate:2"}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "migrate", "annotations": {"helm.sh/hook": "pre-upgrade"}},
        "spec": {"backoffLimit": 0, "template": {"metadata": {"annotations": marks}, "spec": pod}},
    }


QUOTA = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "small"},
    "spec": {"hard": {"limits.memory": "1Gi"}},
}
LIMITS = {"resources": {"limits": {"memory": "4Gi"}}}
NEEDS = {"env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "payment", "key": "key"}}}]}


class Case(NamedTuple):
    """before, after: objects of both revisions. cause, advice: of the first suspicion. beside: made by somebody else."""

    before: tuple[Object, ...]
    after: tuple[Object, ...]
    cause: str
    advice: str
    beside: tuple[Object, ...] = ()
    says: str = ""


GOOD = (deployment(),)
SMALL = {"resources": {"limits": {"memory": "256Mi"}}}
CASES = {
    "crash loop": Case(GOOD, (deployment("2-crash-1"),), "crash", "roll back", says="sandbox/shop:2-crash-1"),
    "exit 137": Case(
        (deployment(**SMALL),),
        (deployment(annotations={"role": "crash", "exit-code": "137"}, resources={"limits": {"memory": "64Mi"}}),),
        "killed",
        "roll back",
        says="limits.memory: 256Mi → 64Mi",
    ),
    "missing Secret": Case(
        GOOD, (deployment("2-good", **NEEDS),), "missing-object", "roll back", says="Secret/payment"
    ),
    "wrong image": Case(GOOD, (deployment("2-missing"),), "image-missing", "roll back", says="sandbox/shop:2-missing"),
    "bad probe": Case((deployment(**probe(8080)),), (deployment(**probe(9999)),), "probe", "roll back", says="9999"),
    "quota": Case(
        (deployment(**SMALL),), (deployment(**LIMITS),), "quota", "roll back", (QUOTA,), "limits.memory: 256Mi → 4Gi"
    ),
    "quota of others": Case(
        (deployment(**SMALL),),
        (deployment("2-good", **SMALL),),
        "quota",
        "hold",
        ({**QUOTA, "spec": {"hard": {"limits.memory": "1Mi"}}},),
    ),
    "failing hook": Case(
        GOOD, (*GOOD, migration(role="crash", exit_code="3")), "hook", "roll back", says="Job/migrate"
    ),
    "config key missing": Case(
        GOOD,
        (deployment("2-crash-1", {"log-line": "KeyError: 'PAYMENT_URL'"}),),
        "config-missing",
        "roll back",
        says="PAYMENT_URL",
    ),
    "dependency down": Case(
        (deployment("1-crash-1", {"log-line": "dial tcp 10.0.0.1:5432: connect: connection refused"}),),
        (deployment("2-crash-1", {"log-line": "dial tcp 10.0.0.1:5432: connect: connection refused"}),),
        "unreachable",
        "hold",
    ),
    "schema behind": Case(
        GOOD,
        (deployment("2-crash-1", {"log-line": 'ERROR: column "discount" does not exist'}),),
        "schema-behind",
        "roll back",
        says="discount",
    ),
}


class Shop:
    """A release of our own chart in a namespace of the sandbox."""

    def __init__(self, sandbox: Sandbox, namespace: str, folder: Path) -> None:
        self.stage = Stage(sandbox, 4, namespace)
        self.stage.env["XDG_STATE_HOME"] = str(folder / "state")
        self.folder = folder
        self.chart = folder / "chart"
        for name, text in CHART.items():
            path = self.chart / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def release(self, objects: tuple[Object, ...]) -> None:
        values = self.folder / "values.json"
        values.write_text(json.dumps({"objects": objects}), encoding="utf-8")
        self.stage.helm("upgrade", "--install", APP, self.chart, "-f", values, fails=True)

    def autopsy(self, *words: str) -> Any:
        done = self.stage.safe(
            "autopsy", APP, "--output-dir", str(self.folder / "out"), "-o", "json", *words, fails=True
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def until(self, holds: Callable[[Any], bool]) -> Any:
        end = time.monotonic() + PATIENCE
        while True:
            told = self.autopsy()
            if holds(told):
                return told
            assert time.monotonic() < end, json.dumps(told["suspicions"], indent=1) + told["summary"]
            time.sleep(1)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", CASES)
def test_the_true_cause_comes_first(sandbox: Sandbox, namespace: str, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    shop = Shop(sandbox, namespace, tmp_path)
    shop.release(case.before)
    if "crash" not in json.dumps(case.before):
        shop.stage.kubectl("rollout", "status", f"deployment/{APP}", "--timeout=60s")
    for obj in case.beside:
        shop.stage.kubectl("apply", "-f", "-", feed=json.dumps(obj))
    shop.release(case.after)
    before = shop.stage.kubectl("get", "all,secrets,configmaps", "-o", "name").stdout
    told = shop.until(lambda told: bool(told["suspicions"]) and told["suspicions"][0]["cause"] == case.cause)
    first = told["suspicions"][0]
    assert first["advice"] == case.advice, told["suspicions"]
    assert case.says in json.dumps(first, ensure_ascii=False)
    assert told["previous"]["revision"] == 1
    assert set(before.split()) <= set(shop.stage.kubectl("get", "all,secrets,configmaps", "-o", "name").stdout.split())


@pytest.mark.timeout(240)
def test_the_bundle_is_private_and_a_run_keeps_the_same(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    """The autopsy of a run is the same one; its report says what it said."""
    shop = Shop(sandbox, namespace, tmp_path)
    shop.release(GOOD)
    shop.stage.kubectl("rollout", "status", f"deployment/{APP}", "--timeout=60s")
    shop.release((deployment("2-crash-1"),))
    told = shop.until(lambda told: bool(told["suspicions"]))
    folder, archive = Path(told["folder"]), Path(told["archive"])
    assert folder.stat().st_mode & 0o777 == 0o700
    for file in (*folder.iterdir(), archive):
        assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as packed:
        names = {Path(name).name for name in packed.getnames()}
    assert {"autopsy.json", "autopsy.md", "pods.json", "events.json", "workloads.json"} <= names
    assert any(name.endswith(".previous.log") for name in names)
    assert "Traceback" not in (shown := shop.stage.safe("autopsy", APP).stdout)
    assert "1. The program ends with an error soon after its start (Deployment/shop)" in shown
    done = shop.stage.safe(APP, "1", "--yes", "--bake", "2s", "--strategy", "native", fails=True)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(shop.stage.safe("report", APP, "-o", "json").stdout)
    assert "roll back: the program ends with an error soon after its start" in report["suspicions"][0]


def told_by(stage: Stage) -> dict[str, str]:
    """What every command says of the release, a rollback included."""
    said = {}
    for words in (
        *(("plan", APP, "1", "-o", output) for output in ("text", "json")),
        *(("history", APP, "-o", output) for output in ("text", "json")),
        *(("autopsy", APP, "-o", output) for output in ("text", "json")),
        (APP, "1", "--yes", "--bake", "2s", "--strategy", "native", "-o", "jsonl"),
        *(("report", APP, "-o", output) for output in ("html", "md", "json")),
    ):
        done = stage.safe(*words, fails=True)
        assert done.returncode in (0, 3), (words, done.stderr)
        said[" ".join(words)] = done.stdout + done.stderr
    return said


@pytest.mark.timeout(240)
def test_no_secret_gets_out(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    """In variables, arguments, annotations, the log, a Secret and the last-applied configuration of real objects."""
    shop = Shop(sandbox, namespace, tmp_path)
    sides = []
    for tag in ("1-good", "2-crash-1"):
        rows = shapes("Va").values()
        env = [{"name": f"SHAPE_{number}_SECRET", "value": text} for number, text in enumerate(rows)]
        env.append({"name": "FROM", "valueFrom": {"secretKeyRef": {"name": "db", "key": "plain"}}})
        obj = deployment(tag, {"log-line": "ERROR " + " ".join(shapes("Lo").values()).replace("\n", " ")}, env=env)
        obj["spec"]["template"]["spec"]["containers"][0]["args"] = ["--password", shapes("Ar")["variable"]]
        obj["spec"]["template"]["metadata"]["annotations"] |= {
            f"note-{n}": text for n, text in enumerate(shapes("An").values())
        }
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "db"},
            "stringData": {"plain": shapes("Se")["YAML"]},
        }
        sides.append((obj, secret))
    shop.release(sides[0])
    shop.stage.kubectl("rollout", "status", f"deployment/{APP}", "--timeout=60s")
    shop.release(sides[1])
    shop.until(lambda told: bool(told["suspicions"]))
    live = shop.stage.kubectl("get", "deployment", APP, "-o", "json").stdout
    assert leaks(live), "they are really there"
    said = told_by(shop.stage)
    shown = shop.stage.kubectl("get", "secrets", "-l", "helm-safe.dev/role=journal", "-o", "json").stdout
    (journal,) = json.loads(shown)["items"]
    said |= {f"journal {name}": base64.b64decode(text).decode() for name, text in journal["data"].items()}
    assert "autopsy" in said["journal records"]
    saved = [
        (name, text) for name, text in files_below(tmp_path) if "/chart/" not in name and "values.json" not in name
    ]
    assert any(".tar.gz:" in name for name, _ in saved)
    assert "run" in said["report shop -o json"]
    found = {name: leaks(text) for name, text in [*said.items(), *saved]}
    assert {name: spots for name, spots in found.items() if spots} == {}


@pytest.mark.timeout(240)
def test_with_few_rights_it_names_what_it_could_not_read(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    shop = Shop(sandbox, namespace, tmp_path)
    shop.release(GOOD)
    shop.release((deployment("2-crash-1"),))
    shop.until(lambda told: bool(told["suspicions"]))
    rules = [
        {"apiGroups": [""], "resources": ["pods", "secrets"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["pods/log", "configmaps"], "verbs": ["get"]},
    ]
    metadata = {"name": "few", "namespace": namespace}
    bind(
        shop.stage, {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": rules}
    )
    shop.stage = powerless(shop.stage, tmp_path)
    told = shop.autopsy()
    assert told["suspicions"][0]["cause"] == "crash"
    missed = " ".join(told["notes"])
    assert all(f"{plural} were not read" in missed for plural in ("events", "replicasets", "resourcequotas", "jobs"))
    assert "Node/sandbox-node was not read" in missed
