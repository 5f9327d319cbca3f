"""Every example project with the real tools, and the same objects whichever way one goes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from helm_safe.core.annotations import HOOK
from helm_safe.core.objects import Object
from helm_safe.core.yamlio import load_all
from helm_safe.sandbox.cluster import Sandbox
from tests.krm.lists import ROOT
from tests.krm.tools import FLAGS, Tools, kpt

pytestmark = pytest.mark.cluster
EXAMPLES = ROOT / "examples"
PROD = EXAMPLES / "jvm" / "overlays" / "prod"
CHART = EXAMPLES / "third-party-chart"
ADDED = {"helm-safe.dev/bake": "2m", "helm-safe.dev/defaults": "prod", "helm-safe.dev/steps": "1,10,50,100"}


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    return Tools(tmp_path_factory.mktemp("bin"))


def objects(text: str) -> list[str]:
    """What would be applied, in an order of ours: without hooks, and without what tools write for themselves."""
    found = [each for each in load_all(text) if each and HOOK not in (each["metadata"].get("annotations") or {})]
    return sorted(json.dumps(_bare(each), sort_keys=True) for each in found)


def _bare(obj: Object) -> Object:
    own = ("config.kubernetes.io/", "internal.config.kubernetes.io/", "postrenderer.helm.sh/")
    marks = obj["metadata"].get("annotations") or {}
    kept = {key: value for key, value in marks.items() if not key.startswith(own)}
    metadata = {key: value for key, value in obj["metadata"].items() if key not in ("annotations", "namespace")}
    return {**obj, "metadata": {**metadata, "annotations": kept}}


def test_the_overlay_for_production_adds_probes_and_canary_annotations_alone(tools: Tools, tmp_path: Path) -> None:
    plain = load_all(tools.build(EXAMPLES / "jvm" / "base"))
    built = load_all(tools.build(PROD, *FLAGS))
    deployment = next(each for each in built if each["kind"] == "Deployment")
    assert deployment["metadata"].pop("annotations") == ADDED
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    paths = {
        field: container.pop(field)["httpGet"]["path"] for field in ("startupProbe", "readinessProbe", "livenessProbe")
    }
    assert paths == {
        "startupProbe": "/actuator/health/liveness",
        "readinessProbe": "/actuator/health/readiness",
        "livenessProbe": "/actuator/health/liveness",
    }
    assert built == plain


def test_development_gets_nothing_that_kills(tools: Tools) -> None:
    built = load_all(tools.build(EXAMPLES / "jvm" / "overlays" / "dev", *FLAGS))
    (container,) = built[-1]["spec"]["template"]["spec"]["containers"]
    assert "readinessProbe" in container
    assert not {"startupProbe", "livenessProbe"} & set(container)


def test_a_half_and_half_split_in_an_overlay_fails_the_build(tools: Tools, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "jvm", tmp_path / "jvm")
    prod = tmp_path / "jvm" / "overlays" / "prod"
    halves = [{"destination": {"host": "orders", "subset": name}, "weight": 50} for name in ("v1", "v2")]
    split = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "orders"},
        "spec": {"hosts": ["orders"], "http": [{"route": halves}]},
    }
    (prod / "split.yaml").write_text(json.dumps(split))
    kustomization = prod / "kustomization.yaml"
    kustomization.write_text(kustomization.read_text().replace("- ../../base\n", "- ../../base\n- split.yaml\n"))
    done = tools.run(tools.kustomize, "build", *FLAGS, prod, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    (told,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "VirtualService/orders splits the traffic (orders (subset v1) 50 %, orders (subset v2) 50 %)" in told


def test_kubectl_and_the_filter_give_the_same(tools: Tools, sandbox: Sandbox, namespace: str) -> None:
    folder = EXAMPLES / "kubectl"
    built = tools.filter(tools.run(tools.kubectl, "kustomize", folder).stdout, folder / "defaults.yaml")
    assert objects(built) == objects(tools.build(PROD, *FLAGS))
    env = sandbox.env()
    applied = tools.run(tools.kubectl, "apply", "-n", namespace, "-f", "-", text=built, **env).stdout
    assert "deployment.apps/orders created" in applied


def test_kpt_gives_the_same(tools: Tools, tmp_path: Path) -> None:
    program, folder = kpt(), tmp_path / "kpt"
    shutil.copytree(EXAMPLES / "kpt", folder)
    tools.run(program, "fn", "render", folder, "--allow-exec")
    text = "---\n".join((folder / name).read_text() for name in ("deployment.yaml", "service.yaml"))
    assert "# Spring Boot then serves" in text
    assert objects(text) == objects(tools.build(PROD, *FLAGS))


# --- Helm ---


class Helm:
    """One of the two Helms, with the post-renderer as its users install it."""

    def __init__(self, tools: Tools, program: Path, major: int, folder: Path) -> None:
        self.tools, self.program, self.major = tools, program, major
        self.env = {"HELM_DATA_HOME": str(folder / "data"), "HELM_SAFE_KUSTOMIZE": tools.kustomize}
        if major == 3:
            self.words = ["--post-renderer", "helm-safe-krm", "--post-renderer-args", "post-render"]
        else:
            plugin = tools.run("helm-safe-krm", "post-render", "--plugin").stdout.strip()
            tools.run(program, "plugin", "install", plugin, **self.env)
            self.words = ["--post-renderer", "helm-safe-post-render"]

    def template(self, chart: Path, arguments: Sequence[str], *, check: bool = True) -> Any:
        passed = [f"--post-renderer-args={each}" for each in arguments]
        return self.tools.run(self.program, "template", "ledger", chart, *self.words, *passed, check=check, **self.env)


@pytest.fixture(params=[3, 4], ids=["helm3", "helm4"])
def helm(request: pytest.FixtureRequest, tools: Tools, sandbox: Sandbox, tmp_path: Path) -> Helm:
    return Helm(tools, sandbox.helm(request.param), request.param, tmp_path)


def test_a_post_renderer_gives_the_same_as_the_overlay(helm: Helm, tools: Tools, tmp_path: Path) -> None:
    """The base as a chart: whoever renders it, the objects are those of `kustomize build`."""
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: orders\nversion: 1.0.0\n")
    for name in ("deployment.yaml", "service.yaml"):
        shutil.copy(EXAMPLES / "jvm" / "base" / name, chart / "templates" / name)
    done = helm.template(chart, ["-c", str(PROD / "defaults.yaml")])
    assert objects(done.stdout) == objects(tools.build(PROD, *FLAGS))


def test_a_chart_of_somebody_else_is_overlaid_and_looked_after(helm: Helm, tools: Tools, tmp_path: Path) -> None:
    """By Helm with the post-renderer, and by Kustomize that inflates the chart: hooks are left alone by both."""
    words = ["-k", str(CHART / "component"), "-c", str(CHART / "defaults" / "defaults.yaml")]
    rendered = helm.template(CHART / "ledger", words).stdout
    shutil.copytree(CHART, tmp_path / "copy")  # kustomize unpacks beside the kustomization
    flags = (*FLAGS, "--enable-helm", "--helm-command", str(helm.program))
    inflated = tools.build(tmp_path / "copy", *flags)
    assert objects(rendered) == objects(inflated)
    deployment = next(each for each in load_all(rendered) if each["kind"] == "Deployment")
    assert deployment["spec"]["replicas"] == 3
    assert "startupProbe" in deployment["spec"]["template"]["spec"]["containers"][0]
    job = next(each for each in load_all(inflated) if each["kind"] == "Job")
    assert "helm-safe.dev/defaults" not in job["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-c", "no-such-file.yaml"], "no-such-file.yaml"),
        (["-k", "no-such-folder"], "is no folder"),
        (["-k", str(EXAMPLES / "kubectl")], "could not build"),
        ([], "needs a config"),
    ],
)
def test_a_post_renderer_that_fails_never_yields_a_release(helm: Helm, words: list[str], told: str) -> None:
    done = helm.template(CHART / "ledger", words, check=False)
    assert done.returncode
    assert "kind: Deployment" not in done.stdout
    assert told in done.stderr or helm.major == 4  # which shows no word of a plugin


def test_nothing_is_written_beside_the_examples(tools: Tools) -> None:
    """Kustomize and Helm leave caches; the folders of a repository stay as they were."""
    known = {path for path in EXAMPLES.rglob("*") if path.is_file()}
    tools.build(PROD, *FLAGS)
    tools.run(
        "helm-safe-krm",
        "post-render",
        "-k",
        str(CHART / "component"),
        text="apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: ledger}\nspec: {}\n",
        HELM_SAFE_KUSTOMIZE=tools.kustomize,
    )
    assert {path for path in EXAMPLES.rglob("*") if path.is_file()} == known
