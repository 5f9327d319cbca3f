"""RolloutPolicy and the marker as a program: what passes, what fails, what is printed where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helm_safe.core.yamlio import dump, load
from krm_fn.functions import known_functions
from krm_fn.process import process, process_stream
from krm_fn.rules import RULES
from tests.krm.lists import CONFIG, WEB, resource_list, run

GOLDEN = Path(__file__).parent / "golden"
POLICY: dict[str, Any] = {**CONFIG, "kind": "RolloutPolicy", "metadata": {"name": "policy"}, "spec": {}}
SILENT = {**POLICY, "spec": {"output": "none"}}
HALVES = """\
- apiVersion: networking.istio.io/v1
  kind: VirtualService
  metadata: {name: web}
  spec:
    http:
    - route:
      - destination: {host: web, subset: v1}
        weight: 50
      - destination: {host: web, subset: v2}
        weight: 50
- apiVersion: v1
  kind: Service
  metadata: {name: web}
"""


def test_a_good_build_passes_through_to_the_letter() -> None:
    text = resource_list(config=POLICY)
    done = run(text=text)
    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, text, b"")


def test_a_bad_build_ends_with_one_plain_sentence() -> None:
    done = run(text=resource_list(WEB + HALVES, config=POLICY))
    assert (done.returncode, done.stdout) == (1, b"")
    (told,) = done.stderr.decode().splitlines()
    assert told.startswith("error: VirtualService/web spec.http[0].route: VirtualService/web splits the traffic")


def test_for_validators_a_good_build_prints_nothing() -> None:
    """Kustomize compares what validators print with what they got, and adds annotations of its own before."""
    done = run(text=resource_list(config=SILENT))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert run(text=resource_list(WEB + HALVES, config=SILENT)).returncode == 1


def test_a_filter_that_would_swallow_the_build_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "policy.yaml"
    config.write_text(dump(SILENT))
    done = run("filter", "-c", str(config), text="apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"`validators:` of a kustomization alone" in done.stderr


@pytest.mark.parametrize("check", sorted({*RULES} - {"KRM-010"}))
def test_every_rule_has_a_folder_that_it_fails(check: str) -> None:
    """And is off when the config says so."""
    failing = [path for path in GOLDEN.glob("policy-*/_results.yaml") if f"[{check}]" in path.read_text()]
    assert failing
    for path in failing:
        text, config = (path.parent / "build.yaml").read_text(), load((path.parent / "_fnconfig.yaml").read_text())
        spec = config.setdefault("spec", {})
        spec["rules"] = {**spec.get("rules", {}), check: "off"}
        found = process_stream(text, config, known_functions()).results
        assert check not in {each.finding.check for each in found}


@pytest.mark.parametrize("folder", ["spring-declared", "spring-sibling", "jvm-served-port", "quarkus-sibling"])
def test_what_the_defaults_add_closes_the_findings(folder: str) -> None:
    """Nothing that RolloutDefaults adds is refused by RolloutPolicy, and what it adds is not missed."""
    text = (GOLDEN / folder / "_expected.yaml").read_text()
    marked = {**POLICY, "spec": {"rules": {"KRM-010": "error"}}}
    assert process_stream(text, marked, known_functions()).results == ()


def test_a_boot_time_that_cannot_be_read() -> None:
    text = WEB.replace("    labels: {", "      helm-safe.dev/boot-time: soon\n    labels: {").replace(
        "          ports:", "          livenessProbe: {tcpSocket: {port: 3000}}\n          ports:"
    )
    done = run(text=resource_list(text, config=POLICY))
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"items[0]: annotation helm-safe.dev/boot-time of Deployment/web" in done.stderr


# --- the marker ---


def verified(tmp_path: Path, text: str, *words: str) -> tuple[int, str, str]:
    path = tmp_path / "build.yaml"
    path.write_text(text)
    done = run("verify", *words, str(path))
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_a_build_with_the_defaults_is_verified(tmp_path: Path) -> None:
    code, told, errors = verified(tmp_path, (GOLDEN / "spring-declared" / "_expected.yaml").read_text())
    assert (code, told, errors) == (0, "RolloutDefaults looked after all 1 workloads.\n", "")


def test_a_skipped_function_is_found(tmp_path: Path) -> None:
    objects = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "shop"}, "spec": {}}
        for name in ("web", "api")
    ]
    objects[1]["metadata"]["annotations"] = {"helm-safe.dev/defaults": "defaults"}  # type: ignore[index]
    text = "".join(f"---\n{dump(each)}" for each in objects)
    code, told, errors = verified(tmp_path, text)
    assert (code, told) == (1, "")
    assert "no RolloutDefaults looked after Deployment/web in namespace shop" in errors
    assert "1 of 2 workloads" in errors
    assert "--enable-exec" in errors
    only = tmp_path / "defaults.yaml"
    only.write_text(dump({**CONFIG, "spec": {"select": {"names": ["api"]}}}))
    assert verified(tmp_path, text, "-c", str(only))[0] == 0


@pytest.mark.parametrize(
    ("text", "code"), [("", 1), ("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n", 1), ("a: [", 3)]
)
def test_nothing_to_verify_is_no_success(tmp_path: Path, text: str, code: int) -> None:
    found, told, errors = verified(tmp_path, text)
    assert (found, told) == (code, "")
    assert errors.startswith("error: ")


def test_the_marker_of_another_config_stays() -> None:
    """The first one that looked after a workload is the one that its probes come from."""
    again = {**CONFIG, "metadata": {"name": "other"}}
    once = process(resource_list(), known_functions()).output
    config = dump({"functionConfig": CONFIG})
    twice = process(once.replace(config, dump({"functionConfig": again})), known_functions()).output
    assert "helm-safe.dev/defaults: defaults\n" in twice
    assert "helm-safe.dev/defaults: other" not in twice


def test_the_table_of_rules_in_the_documentation() -> None:
    written = (Path(__file__).parents[2] / "docs" / "krm.md").read_text()
    for check, row in RULES.items():
        assert f"| {check} | {row.severity} | {row.title} |" in written
