"""Canary defaults: what the function writes is what a run reads, and routes that it makes survive prefixes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from helm_safe.core.annotations import PREFIX
from helm_safe.core.objects import ref_of
from helm_safe.core.written import ANNOTATED
from helm_safe.core.yamlio import dump, load_all
from helm_safe.model.options import OPTIONS
from helm_safe.model.policy import Annotated, annotated, resolve
from helm_safe.sandbox.cluster import Sandbox
from krm_fn.functions import known_functions
from krm_fn.process import process_stream
from tests.krm.lists import CONFIG
from tests.krm.tools import FLAGS, Tools, istio_definitions, kustomization, write

GOLDEN = Path(__file__).parent / "golden"
MADE = ("canary-gateway", "canary-gateway-mesh", "canary-gateway-extends", "canary-istio", "canary-istio-extends")


def test_every_annotation_of_a_run_can_be_written_and_no_other() -> None:
    assert set(ANNOTATED) == {option.annotation for option in OPTIONS.values() if option.annotation}


def test_a_run_reads_what_was_written() -> None:
    stated = {"steps": "5,100", "bake": "2m", "success-rate": "99.5%", "route": "HTTPRoute/web", "p95": "none"}
    config = {**CONFIG, "spec": {"canary": {"annotations": stated}}}
    text = (GOLDEN / "policy-good" / "build.yaml").read_text()
    objects = {ref_of(each): each for each in load_all(process_stream(text, config, known_functions()).output)}
    settings = resolve({}, None, annotated(7, objects), Annotated(1, {}))
    assert settings.value("steps") == (5, 100)
    assert settings.value("bake") == 120
    assert settings.value("gates.success-rate") == pytest.approx(0.995)
    assert settings.value("route") == "HTTPRoute/web"
    assert set(stated) == {name.removeprefix(PREFIX) for name in annotated(7, objects).values}


@pytest.mark.cluster
@pytest.mark.parametrize("case", MADE)
def test_names_in_routes_follow_an_outer_prefix(tmp_path: Path, case: str) -> None:
    """The function runs in the base; an overlay above it gives names a prefix."""
    tools = Tools(tmp_path)
    config = (
        (GOLDEN / case / "_fnconfig.yaml")
        .read_text()
        .replace(
            "metadata:\n",
            "metadata:\n  annotations:\n    config.kubernetes.io/function: 'exec: {path: helm-safe-krm}'\n",
        )
    )
    files = {
        "base/build.yaml": (GOLDEN / case / "build.yaml").read_text(),
        "base/config.yaml": config,
        "base/kustomization.yaml": kustomization(resources=["build.yaml"], transformers=["config.yaml"]),
        "over/names.yaml": tools.run("helm-safe-krm", "--configurations").stdout,
        "over/kustomization.yaml": kustomization(resources=["../base"], configurations=["names.yaml"])
        + "namePrefix: dev-\n",
    }
    built = load_all(tools.build(write(tmp_path, files) / "over", *FLAGS))
    services = {each["metadata"]["name"] for each in built if each["kind"] == "Service"}
    policy = {**CONFIG, "kind": "RolloutPolicy", "spec": {"exclude": {"kinds": ["Deployment"]}}}
    text = "---\n".join(map(dump, built))
    found = {each.finding.message for each in process_stream(text, policy, known_functions()).results}
    assert services >= {"dev-web"}
    assert not [told for told in found if "which the build does not hold" in told and "/other," not in told]


@pytest.fixture(scope="module")
def istio(sandbox: Sandbox) -> Iterator[None]:
    """The sandbox knows Istio's kinds; those that it did not know before, for a while."""
    kubectl, env, text = "kubectl", {**os.environ, **sandbox.env()}, istio_definitions()
    names = [each["metadata"]["name"] for each in load_all(text)]
    there = subprocess.run([kubectl, "get", "crd", "-o", "name"], env=env, capture_output=True, text=True, check=True)
    made = [name for name in names if name not in there.stdout]
    apply = [kubectl, "apply", "--server-side", "--force-conflicts", "-f", "-"]
    subprocess.run(apply, input=text, env=env, capture_output=True, text=True, check=True)
    ready = ["wait", "--for=condition=Established", "--timeout=60s", *(f"crd/{name}" for name in names)]
    subprocess.run([kubectl, *ready], env=env, capture_output=True, check=True)
    yield
    if made:
        subprocess.run([kubectl, "delete", "crd", *made], env=env, capture_output=True, check=True)


@pytest.mark.cluster
@pytest.mark.usefixtures("istio")
@pytest.mark.parametrize("case", MADE)
def test_the_api_server_takes_what_is_made(sandbox: Sandbox, namespace: str, case: str) -> None:
    text = (GOLDEN / case / "_expected.yaml").read_text().replace("namespace: shop\n", f"namespace: {namespace}\n")
    command = ["kubectl", "apply", "--dry-run=server", "-n", namespace, "-f", "-"]
    env = {**os.environ, **sandbox.env()}
    done = subprocess.run(command, input=text, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
