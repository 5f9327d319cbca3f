"""`check --from old --to new`: what two manifests can tell, and that nothing else is called ok."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from helm_safe.cli.main import main
from helm_safe.core.findings import Finding, Status
from helm_safe.core.yamlio import dump
from helm_safe.model.revisions import Release
from helm_safe.model.settings import Settings
from helm_safe.rollback.offline import findings
from tests.checks.world import container, deployment, hook, obj, service

NOW = datetime(2026, 11, 1, tzinfo=timezone.utc)
RELEASE = Release("prod", "shop")


def text(*objects: Any) -> str:
    return "---\n".join(dump(each) for each in objects)


def found(older: str, newer: str) -> dict[str, list[Finding]]:
    rows: dict[str, list[Finding]] = {}
    for each in findings(RELEASE, older, newer, Settings(), NOW):
        rows.setdefault(each.check, []).append(each)
    return rows


def claim(size: str) -> Any:
    return obj("PersistentVolumeClaim", "data", spec={"resources": {"requests": {"storage": size}}})


def test_what_the_manifests_say_is_found() -> None:
    selector = deployment(pod={"volumes": []})
    other = json.loads(json.dumps(selector))
    other["spec"]["selector"]["matchLabels"]["app"] = other["spec"]["template"]["metadata"]["labels"]["app"] = "other"
    rows = found(text(selector, claim("1Gi")), text(other, claim("2Gi")))
    assert [each.status for each in rows["IMM-001"]] == [Status.FAIL]
    assert rows["IMM-001"][0].blocks
    assert any(each.status is Status.FAIL for each in rows["PVC-SHR-001"])


def test_what_needs_a_cluster_is_unverified_once_each() -> None:
    rows = found(text(deployment(), service()), text(deployment("web", container(image="shop:2")), service()))
    unseen = {check: each for check, each in rows.items() if each[0].status is Status.UNVERIFIED}
    assert {"OWN-001", "IMG-001", "CAP-001", "DRY-001"} <= set(unseen)
    assert all(sum(each.status is Status.UNVERIFIED for each in rows[check]) == 1 for check in unseen)
    assert "no cluster was asked" in unseen["OWN-001"][0].message
    assert not any(each.blocks for each_check in rows.values() for each in each_check)


def test_hooks_are_told_from_objects() -> None:
    job = hook("migrate", "pre-rollback").objects[0]
    marked = {**job, "metadata": {**job["metadata"], "annotations": {"helm.sh/hook": "pre-rollback,post-rollback"}}}
    rows = found(text(deployment(), marked), text(deployment("web", container(image="shop:2"))))
    assert "migrate" in " ".join(each.message for each in rows["HOOK-001"])


def written(folder: Path, name: str, body: str) -> str:
    (folder / name).write_text(body, encoding="utf-8")
    return str(folder / name)


def test_as_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any cluster: exit codes, formats, and clear errors."""
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    older, newer = written(tmp_path, "a", text(claim("1Gi"))), written(tmp_path, "b", text(claim("2Gi")))
    assert main(["check", "--from", older, "--to", newer, "-o", "json"]) == 3
    rows = json.loads(capsys.readouterr().out)["findings"]
    assert "PVC-SHR-001" in {row["check"] for row in rows if row["status"] == "fail"}
    assert main(["check", "--from", newer, "--to", newer, "-o", "sarif", "--fail-on", "unverified"]) == 3
    assert json.loads(capsys.readouterr().out)["version"] == "2.1.0"
    for words in (
        ["check", "--from", older],
        ["check", "--from", older, "--to", str(tmp_path / "none")],
        ["check", "--from", written(tmp_path, "c", "a: [1"), "--to", newer],
    ):
        assert main(words) == 2
        assert "Traceback" not in capsys.readouterr().err


def test_folders_of_kustomizations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """A pull request to an overlay needs no cluster either. The program is a stand-in: builds are tested elsewhere."""
    program = tmp_path / "bin" / "kustomize"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\ncat "$2/all.yaml"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    for name, sql in (("old", ""), ("new", "ALTER TABLE orders DROP COLUMN legacy_total;")):
        (tmp_path / name).mkdir()
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "sql"}, "data": {"V2.sql": sql}}
        (tmp_path / name / "all.yaml").write_text(json.dumps(body))
    assert main(["check", "--from", str(tmp_path / "old"), "--to", str(tmp_path / "new"), "-o", "json"]) == 3
    found = json.loads(capsys.readouterr().out)["findings"]
    assert ("DB-CONTRACT-001", "orders.legacy_total") in [(each["check"], each.get("object")) for each in found]
    (tmp_path / "new" / "all.yaml").unlink()
    assert main(["check", "--from", str(tmp_path / "old"), "--to", str(tmp_path / "new")]) in (2, 3)
