"""The example of the documentation, with both Helms side by side: two builds, then back to the first by way of a canary.

About two minutes.
"""

from __future__ import annotations

import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from helm_safe.sandbox.cluster import Sandbox
from tests.krm.lists import ROOT
from tests.krm.tools import FLAGS, Tools
from tests.kustomizing import Kustomize

pytestmark = pytest.mark.dataplane
PROD = "overlays/prod"


def played(shop: Kustomize) -> tuple[Any, list[str], list[dict[str, Any]]]:
    """The live Deployment at the end, what the run did in order, and Helm's history."""
    shutil.copytree(ROOT / "examples" / "shop", shop.folder / "app")
    build = shop.folder / "app" / PROD / "kustomization.yaml"
    assert shop.deploy("--yes", *FLAGS, "--create-namespace", within=PROD).returncode == 0
    build.write_text(build.read_text().replace("newTag: 1-good", "newTag: 2-broken-40"))
    changed = shop.deploy("--yes", *FLAGS, within=PROD)
    assert "changed  Deployment/web: spec.template.spec.containers[app].image" in changed.stdout, changed.stderr
    shop.call("kubectl", "rollout", "status", "deploy/web", "-n", shop.namespace, "--timeout=120s")
    command = [sys.executable, "-m", "helm_safe", "shop", "1", "--yes", "--bake", "1s", "--steps", "10,100"]
    back = shop.call(*command, "-n", shop.namespace, "-o", "jsonl")
    assert back.returncode == 0, back.stdout + back.stderr
    events = [json.loads(line) for line in back.stdout.splitlines()]
    done = [each["data"]["step"] for each in events if each.get("data", {}).get("state") == "done"]
    return shop.live("deploy/web"), done, shop.history()


def test_the_first_build_is_live_again_by_way_of_a_canary(sandbox: Sandbox, namespace: str, tmp_path: Path) -> None:
    shops = []
    for major in (3, 4):
        folder = tmp_path / f"helm{major}"
        (folder / "bin").mkdir(parents=True)
        shops.append(Kustomize(sandbox, major, f"{namespace}-{major}", folder, Tools(folder / "bin")))
    try:
        with ThreadPoolExecutor(2) as pool:
            for live, done, history in pool.map(played, shops):
                assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "sandbox/web:1-good"
                assert (live["status"]["readyReplicas"], live["spec"]["replicas"]) == (2, 2)
                wanted = ["standby", "shift 10", "shift 100", "rollback", "return 10", "return 100", "remove"]
                assert [step for step in done if step in wanted] == wanted
                assert [row["status"] for row in history] == ["superseded", "superseded", "deployed"]
    finally:
        for shop in shops:
            shop.call("kubectl", "delete", "namespace", shop.namespace, "--wait=false")
