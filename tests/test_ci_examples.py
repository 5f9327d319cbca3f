"""The examples for pipelines: their shell steps run with the real commands, and end as those do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm_safe.core.yamlio import dump
from tests.checks.world import obj

CI = Path(__file__).parents[1] / "examples" / "ci"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two manifests, and helm-safe on PATH; what needs a cluster is written to `asked`."""
    for name, size in (("old.yaml", "1Gi"), ("new.yaml", "2Gi"), ("like.yaml", "1Gi")):
        labels = {"of": name}
        claim = obj("PersistentVolumeClaim", "data", labels=labels, spec={"resources": {"requests": {"storage": size}}})
        (tmp_path / name).write_text(dump(claim), encoding="utf-8")
    launcher = tmp_path / "bin" / "helm-safe"
    launcher.parent.mkdir()
    real = f'exec "{sys.executable}" -m helm_safe "$@"'
    launcher.write_text(
        f'#!/bin/sh\ncase "$1" in check) {real};; esac\necho "$@" >> asked\n'
        'if [ "$1" = report ]; then echo "# the report"; exit 0; fi\nexit 5\n',
        encoding="utf-8",
    )
    launcher.chmod(0o755)
    return tmp_path


def run(script: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    root = str(Path(__file__).parents[1])
    where = {**os.environ, "PATH": path, "PYTHONPATH": root, "GITHUB_STEP_SUMMARY": str(folder / "summary"), **env}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, env=where, capture_output=True, text=True, check=False)


def steps(name: str) -> dict[str, Any]:
    """The steps of a composite action by name. Every input that a script uses comes by its environment."""
    action = yaml.safe_load((CI / "github" / name / "action.yml").read_text(encoding="utf-8"))
    assert action["runs"]["using"] == "composite"
    found = {step["name"]: step for step in action["runs"]["steps"]}
    for step in found.values():
        assert "${{" not in step["run"], "an input inside of a script is a script of whoever wrote the input"
        used = set(re.findall(r"inputs\.([-a-z]+)", str(step.get("env", {}))))
        assert used <= set(action["inputs"])
    return found


@pytest.mark.parametrize(("newer", "code"), [("new.yaml", 3), ("like.yaml", 0)])
def test_github_check(folder: Path, newer: str, code: int) -> None:
    script = steps("check")["check"]["run"]
    env = {"FROM": "old.yaml", "TO": newer, "FAIL_ON": "error", "BASELINE": "", "SARIF": "out.sarif"}
    done = run(script, folder, **env)
    assert done.returncode == code, done.stderr
    assert ("::error title=PVC-SHR-001" in done.stdout) == bool(code)
    assert '"version": "2.1.0"' in (folder / "out.sarif").read_text(encoding="utf-8")


def test_github_check_with_a_baseline(folder: Path) -> None:
    known = run("helm-safe check --from old.yaml --to new.yaml --write-baseline known.json", folder)
    assert known.returncode == 3
    env = {"FROM": "old.yaml", "TO": "new.yaml", "FAIL_ON": "error", "BASELINE": "known.json", "SARIF": "out.sarif"}
    assert run(steps("check")["check"]["run"], folder, **env).returncode == 0


def test_github_rollback_tells_its_report_and_keeps_its_exit_code(folder: Path) -> None:
    env = {"RELEASE": "shop", "REVISION": "4", "NAMESPACE": "prod", "POLICY": "policy.yaml"}
    done = run(steps("rollback")["rollback"]["run"], folder, **env)
    assert done.returncode == 5
    asked = (folder / "asked").read_text(encoding="utf-8").splitlines()
    assert asked[0] == "shop 4 -n prod --yes --plain --or-resume --policy policy.yaml"
    assert asked[1].startswith("report shop -n prod -o md")
    assert (folder / "summary").read_text(encoding="utf-8") == "# the report\n"


def test_gitlab(folder: Path) -> None:
    body = yaml.safe_load((CI / "gitlab-ci.yml").read_text(encoding="utf-8"))
    script = "\n".join(body["can-it-be-rolled-back"]["script"])
    assert run(script, folder, DEPLOYED="old.yaml", PROPOSED="new.yaml").returncode == 3
    assert "<testsuite" in (folder / "helm-safe.xml").read_text(encoding="utf-8")
    assert run("\n".join(body["rollback"]["script"]), folder, RELEASE="a", REVISION="1", NAMESPACE="b").returncode == 5
    for job in body.values():
        assert job.get("extends", ".helm-safe") in body


def test_jenkins(folder: Path) -> None:
    """Each `sh` of the file."""
    scripts = re.findall(r"sh '([^']+)'", (CI / "Jenkinsfile").read_text(encoding="utf-8"))
    assert len(scripts) == 3
    codes = [run(script, folder, RELEASE="a", REVISION="1", NAMESPACE="b").returncode for script in scripts[1:]]
    assert codes == [5, 0]
    assert "-o junit > helm-safe.xml" in scripts[0]
