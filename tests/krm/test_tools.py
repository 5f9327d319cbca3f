"""RolloutDefaults under the real kustomize, kubectl and kpt."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from helm_safe.core.yamlio import dump, load, load_all
from helm_safe.sandbox.cluster import Sandbox
from krm_fn.testing import golden_folders
from tests.krm.lists import CONFIG
from tests.krm.tools import FLAGS, Tools, kpt, kustomization, write

pytestmark = pytest.mark.cluster

GOLDEN = Path(__file__).parent / "golden"
CALL = {"config.kubernetes.io/function": "exec: {path: helm-safe-krm}\n"}
APPLICABLE = (
    *("spring-declared", "spring-sibling", "jvm-served-port", "quarkus-sibling", "rules", "sidecars"),
    *("rollout-deployments", "shutdown-by-command", "profile-jvm-prod", "profile-own", "disruption-share"),
)

AWKWARD = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: awkward}
data: {a: "=", b: "12:30", c: "yes", d: "2024-01-01", e: "0o17", f: "1e3", g: "08", h: "<<", i: "", j: "~", k: "null",
  l: "\\u0007bell", m: "emoji 🎉", n: "010", o: "12e45", p: "0x1F", q: ".inf", r: "1_000", s: "!tag", t: "a\\tb", u: "- a"}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {v: "1e3", w: "08", y: "yes"}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: eclipse-temurin:21
        env:
        - {name: MANAGEMENT_ENDPOINT_HEALTH_PROBES_ENABLED, value: "true"}
        - name: LONG
          value: |
            line one
              line two

            end
        ports: [{name: http, containerPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
"""


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    return Tools(tmp_path_factory.mktemp("bin"))


def config(**spec: object) -> str:
    """The config as a kustomization lists it."""
    metadata = {"name": "defaults", "annotations": CALL}
    return dump({**CONFIG, "metadata": metadata, "spec": spec or {"probes": {}}})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A base with awkward values, and an overlay that lists the function."""
    files = {
        "base/all.yaml": AWKWARD,
        "base/kustomization.yaml": kustomization(resources=["all.yaml"])
        + "configMapGenerator:\n- name: made\n  literals: [a=1]\n",
        "over/kustomization.yaml": kustomization(resources=["../base"], transformers=["defaults.yaml"])
        + "namePrefix: dev-\n",
        "over/defaults.yaml": config(),
        "plain/kustomization.yaml": kustomization(resources=["../base"]) + "namePrefix: dev-\n",
    }
    return write(tmp_path, files)


def test_the_build_differs_by_the_probes_alone(tools: Tools, project: Path) -> None:
    """Every line of the build without the function is there, in its place."""
    before, after = tools.build(project / "plain"), tools.build(project / "over", *FLAGS)
    rest = iter(after.splitlines())
    assert all(line in rest for line in before.splitlines())
    assert after.count("helm-safe.dev/defaults: defaults") == 1
    container = load_all(after)[-1]["spec"]["template"]["spec"]["containers"][0]
    added = ("livenessProbe", "readinessProbe", "startupProbe")
    assert [container.pop(probe)["httpGet"]["path"].rpartition("/")[2] for probe in added] == [
        "liveness",
        "readiness",
        "liveness",
    ]
    assert container == load_all(before)[-1]["spec"]["template"]["spec"]["containers"][0]


def test_the_filter_equals_the_transformer_byte_for_byte(tools: Tools, project: Path) -> None:
    filtered = tools.filter(tools.build(project / "plain"), project / "over" / "defaults.yaml")
    assert filtered == tools.build(project / "over", *FLAGS)


@pytest.mark.parametrize(
    "folder",
    [each for each in golden_folders(GOLDEN) if (each / "_expected.yaml").exists()],
    ids=lambda each: each.name,
)
def test_every_golden_folder_is_the_same_under_kustomize(tools: Tools, tmp_path: Path, folder: Path) -> None:
    inputs = [each for each in sorted(folder.iterdir()) if not each.name.startswith("_")]
    for each in inputs:
        shutil.copy(each, tmp_path)
    asked = load((folder / "_fnconfig.yaml").read_text())
    asked["metadata"]["annotations"] = CALL
    resources = [each.name for each in inputs]
    write(tmp_path, {"config.yaml": dump(asked), "kustomization.yaml": kustomization(resources=resources)})
    before = tools.build(tmp_path)
    write(tmp_path, {"kustomization.yaml": kustomization(resources=resources, transformers=["config.yaml"])})
    built, filtered = tools.build(tmp_path, *FLAGS), tools.filter(before, tmp_path / "config.yaml")
    if filtered.count("\n---\n") == before.count("\n---\n"):
        assert filtered == built
    else:  # new objects stand at the end; Kustomize sorts all of them, and their keys
        made, told = (sorted(json.dumps(each, sort_keys=True) for each in load_all(text)) for text in (filtered, built))
        assert made == told


def test_profiles_are_layered_by_overlays(tools: Tools, project: Path) -> None:
    """The base names a profile, the overlay another one; each workload is looked after once, by the overlay's config."""
    files = {
        "shared/defaults.yaml": config(profiles=["jvm"]),
        "shared/kustomization.yaml": kustomization(resources=["defaults.yaml"]),
        "prod-defaults/kustomization.yaml": kustomization(resources=["../shared"]) + "patches:\n- path: patch.yaml\n",
        "prod-defaults/patch.yaml": dump({**CONFIG, "spec": {"profiles": ["jvm", "prod"]}}),
        "dev/kustomization.yaml": kustomization(resources=["../base"], transformers=["../shared"]),
        "prod/kustomization.yaml": kustomization(resources=["../base"], transformers=["../prod-defaults"]),
        "both/kustomization.yaml": kustomization(resources=["../dev"], transformers=["../prod-defaults"]),
    }
    write(project, files)
    dev, prod, both = (load_all(tools.build(project / name, *FLAGS))[-1] for name in ("dev", "prod", "both"))
    bakes = [each["metadata"]["annotations"]["helm-safe.dev/bake"] for each in (dev, prod, both)]
    assert bakes == ["120s", "60s", "120s"]  # where both run, what the base added stays
    assert [each["spec"]["minReadySeconds"] for each in (dev, prod, both)] == [20, 20, 20]
    container = prod["spec"]["template"]["spec"]["containers"][0]
    assert container["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
    assert "lifecycle" not in dev["spec"]["template"]["spec"]["containers"][0]


POLICY = {**CONFIG, "kind": "RolloutPolicy", "metadata": {"name": "policy", "annotations": CALL}}
HALVES = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec: {rules: [{backendRefs: [{name: web, port: 80}, {name: web-canary, port: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web-canary}
spec: {ports: [{port: 80}]}
"""


@pytest.mark.parametrize(("field", "spec"), [("transformers", {}), ("validators", {"output": "none"})])
def test_a_policy_passes_or_fails_a_build(tools: Tools, project: Path, field: str, spec: dict[str, str]) -> None:
    """As the last transformer, and in the way in which validators work: it prints no objects there."""
    lists = {"resources": ["../base"], "transformers": ["defaults.yaml"]}
    lists[field] = [*lists.get(field, []), "policy.yaml"]
    over = project / "over"
    good = tools.build(over, *FLAGS)
    write(over, {"policy.yaml": dump({**POLICY, "spec": spec}), "halves.yaml": HALVES})
    write(over, {"kustomization.yaml": kustomization(**lists) + "namePrefix: dev-\n"})
    assert tools.build(over, *FLAGS) == good
    lists["resources"] = ["../base", "halves.yaml"]
    write(over, {"kustomization.yaml": kustomization(**lists)})
    done = tools.run(tools.kustomize, "build", *FLAGS, over, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "error: HTTPRoute/web spec.rules[0].backendRefs: HTTPRoute/web splits the traffic" in done.stderr


def test_a_function_that_kustomize_skipped_is_found(tools: Tools, project: Path) -> None:
    """Without --enable-exec the build succeeds, and only the marker tells."""
    skipped = tools.build(project / "over", "--enable-alpha-plugins")
    assert tools.run("helm-safe-krm", "verify", text=skipped, check=False).returncode == 1
    assert tools.run("helm-safe-krm", "verify", text=tools.build(project / "over", *FLAGS)).returncode == 0


def test_overlays_patch_a_directory_of_defaults(tools: Tools, project: Path) -> None:
    """The base's defaults are a kustomization of their own; the overlay's patch of it wins."""
    patch = {**CONFIG, "spec": {"probes": {"times": {"startup": {"failureThreshold": 99}}}}}
    files = {
        "shared/defaults.yaml": config(),
        "shared/kustomization.yaml": kustomization(resources=["defaults.yaml"]),
        "prod-defaults/kustomization.yaml": kustomization(resources=["../shared"]) + "patches:\n- path: patch.yaml\n",
        "prod-defaults/patch.yaml": dump(patch),
        "prod/kustomization.yaml": kustomization(resources=["../base"], transformers=["../prod-defaults"]),
    }
    write(project, files)
    built = load_all(tools.build(project / "prod", *FLAGS))
    assert built[-1]["spec"]["template"]["spec"]["containers"][0]["startupProbe"]["failureThreshold"] == 99


def test_a_function_that_fails_never_yields_an_empty_build(tools: Tools, project: Path) -> None:
    for spec in ({"prbes": {}}, {"probes": {"rules": [{"startup": {"tcpSocket": {}}}]}}):
        write(project, {"over/defaults.yaml": config(**spec)})
        done = tools.run(tools.kustomize, "build", *FLAGS, project / "over", check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert "unknown field" in done.stderr or "is required" in done.stderr


def test_warnings_are_seen_while_the_build_succeeds(tools: Tools, project: Path) -> None:
    write(project, {"over/defaults.yaml": config(select={"names": ["nobody"]}, probes={})})
    done = tools.run(tools.kustomize, "build", *FLAGS, project / "over")
    assert "KRM-001" in done.stderr
    assert done.stdout == tools.build(project / "plain")


def test_kubectl_runs_it_as_a_legacy_plugin(tools: Tools, project: Path) -> None:
    """`kubectl kustomize` has no --enable-exec; the config goes without the function annotation there."""
    home = project / "home"
    made = tools.run("helm-safe-krm", "install-legacy", home).stdout.splitlines()[0]
    assert Path(made) == home / "helm-safe.dev/v1alpha1/rolloutdefaults/RolloutDefaults"
    write(project, {"over/defaults.yaml": dump(CONFIG)})
    command = (tools.kubectl, "kustomize", "--enable-alpha-plugins", project / "over")
    built = tools.run(*command, KUSTOMIZE_PLUGIN_HOME=str(home)).stdout
    assert built == tools.filter(tools.build(project / "plain"), project / "over" / "defaults.yaml")
    write(project, {"over/defaults.yaml": dump({**CONFIG, "spec": {"prbes": {}}})})
    done = tools.run(*command, check=False, KUSTOMIZE_PLUGIN_HOME=str(home))
    assert (done.returncode, done.stdout) == (1, "")
    assert "did you mean" in done.stderr


def test_a_plugin_of_somebody_else_is_not_overwritten(tools: Tools, tmp_path: Path) -> None:
    place = "helm-safe.dev/v1alpha1/rolloutdefaults/RolloutDefaults"
    write(tmp_path, {place: "#!/bin/sh\n"})
    done = tools.run("helm-safe-krm", "install-legacy", tmp_path, check=False)
    assert done.returncode == 2
    assert (tmp_path / place).read_text() == "#!/bin/sh\n"


def package(folder: Path) -> Path:
    pipeline = "pipeline:\n  mutators:\n  - exec: helm-safe-krm\n    configPath: defaults.yaml\n"
    files = {
        "Kptfile": f"apiVersion: kpt.dev/v1\nkind: Kptfile\nmetadata:\n  name: app\n{pipeline}",
        "defaults.yaml": dump(CONFIG),
    }
    write(folder, files)
    for name in ("styles/odd.yaml", "rules/web.yaml", "spring-declared/web.yaml"):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text((GOLDEN / name).read_text().partition("---\n")[0])
    return folder


def test_kpt_keeps_what_a_function_that_does_nothing_keeps(tools: Tools, tmp_path: Path) -> None:
    """Against `cat`, only the probes are new: comments, quotes and styles are as kpt itself leaves them."""
    program = kpt()
    ours, idle = package(tmp_path / "ours"), package(tmp_path / "idle")
    tools.run(program, "fn", "render", ours, "--allow-exec")
    tools.run(program, "fn", "eval", idle, "--exec", "cat")
    changed = [path for path in ours.rglob("*") if path.is_file()]
    for path in changed:
        before = (idle / path.relative_to(ours)).read_text()
        rest = iter(path.read_text())
        assert all(character in rest for character in before), path
    assert sum("readinessProbe" in path.read_text() for path in changed) == 3
    texts = {path: path.read_text() for path in changed}
    tools.run(program, "fn", "render", ours, "--allow-exec")
    assert {path: path.read_text() for path in changed} == texts


def test_kpt_shows_results_and_fails_without_writing(tools: Tools, tmp_path: Path) -> None:
    program, folder = kpt(), package(tmp_path / "app")
    done = tools.run(program, "fn", "eval", folder, "--exec", "helm-safe-krm", "--", "probes.add=[readiness]")
    assert "readinessProbe was added" in done.stdout + done.stderr
    texts = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    done = tools.run(program, "fn", "eval", folder, "--exec", "helm-safe-krm", "--", "prbes.add=x", check=False)
    assert done.returncode == 1
    assert "data.prbes: unknown field" in done.stdout + done.stderr
    assert {path: path.read_text() for path in texts} == texts


def test_the_api_server_takes_what_is_added(sandbox: Sandbox, namespace: str) -> None:
    text = "---\n".join((GOLDEN / name / "_expected.yaml").read_text() for name in APPLICABLE)
    command = ["kubectl", "apply", "--dry-run=server", "-n", namespace, "-f", "-"]
    env = {**os.environ, **sandbox.env()}
    done = subprocess.run(command, input=text, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("deployment.apps") == text.count("kind: Deployment")
