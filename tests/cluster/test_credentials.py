"""Credentials that expire in the middle of a run, as short-lived tokens do: renewed, or said and resumed later."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.test_bad_input import ROOT, Shop, assert_refused, shop

__all__ = ["shop"]
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]
PLUGIN = """\
#!/bin/sh
echo called >> '{folder}/calls'
exec cat '{folder}/credential'
"""


class Login:
    """A ServiceAccount's tokens behind a credential plugin; each token can be revoked for itself."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        self.shop, self.folder = shop, folder
        shop.kubectl("create", "serviceaccount", "deployer")
        shop.kubectl(
            *("create", "rolebinding", "deployer", "--clusterrole=cluster-admin"),
            f"--serviceaccount={shop.namespace}:deployer",
        )
        plugin = folder / "plugin"
        plugin.write_text(PLUGIN.format(folder=folder))
        plugin.chmod(0o755)
        config = json.loads(shop.sandbox.kubeconfig.read_text())
        spec = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}
        config["users"][0]["user"] = {"exec": spec}
        (folder / "config").write_text(json.dumps(config))
        self.environment = {"KUBECONFIG": str(folder / "config")}

    def hand_out(self, name: str) -> str:
        """A new token, which the plugin gives from now on; it lives as long as the Secret it is bound to."""
        self.shop.kubectl("create", "secret", "generic", name)
        bound = ("--bound-object-kind=Secret", f"--bound-object-name={name}")
        token = self.shop.kubectl("create", "token", "deployer", *bound).strip()
        self.write({"token": token})
        return token

    def write(self, status: dict[str, Any]) -> None:
        answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
        (self.folder / "credential").write_text(json.dumps(answer))

    def expire(self, name: str, token: str) -> None:
        """Revoke a token and wait until the API server, which remembers tokens for 10 s, refuses it."""
        self.shop.kubectl("delete", "secret", name)
        config = json.loads(self.shop.sandbox.kubeconfig.read_text())
        config["users"][0]["user"] = {"token": token}
        (self.folder / "old").write_text(json.dumps(config))
        deadline = time.monotonic() + 30
        command = ["kubectl", "--kubeconfig", str(self.folder / "old"), "auth", "whoami"]
        while subprocess.run(command, env=self.shop.env, check=False, capture_output=True).returncode == 0:
            assert time.monotonic() < deadline, "the token is still accepted"
            time.sleep(0.5)

    def calls(self) -> int:
        return len((self.folder / "calls").read_text().splitlines())


@pytest.fixture
def login(shop: Shop, tmp_path: Path) -> Login:
    return Login(shop, tmp_path)


def watching(login: Login) -> subprocess.Popen[str]:
    """A run that has reached WATCH and will stay there for a while."""
    shop = login.shop
    command = [sys.executable, "-m", "helm_safe", "shop", "1", "--yes", "--bake", "25s", "-o", "jsonl"]
    process = subprocess.Popen(
        [*command, "-n", shop.namespace],
        env={**shop.env, **login.environment},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["stage"] == "WATCH":
            return process
    raise AssertionError(process.communicate())


def finished(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def restored(shop: Shop) -> None:
    assert json.loads(shop.kubectl("get", "configmap", "settings", "-o", "json"))["data"] == {"tag": "1"}
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert shop.kubectl("get", "deployment", "shop", "-o", image) == "sandbox/shop:1"


def test_a_run_outlives_its_token(login: Login) -> None:
    """The plugin has a fresh token: one refusal, one call more, and the run goes on."""
    first = login.hand_out("first")
    process = watching(login)
    before = login.calls()
    login.hand_out("second")
    login.expire("first", first)
    done = finished(process)
    assert done.returncode == 0, done.stdout + done.stderr
    assert before < login.calls() <= before + 2, "the credentials are read again once, not for each request"
    assert first not in done.stdout + done.stderr
    restored(login.shop)


@pytest.mark.matrix(1)
@pytest.mark.parametrize("later", ["refused", "no plugin answer"])
def test_without_fresh_credentials_the_run_stops_and_can_be_resumed(login: Login, later: str) -> None:
    """Exit 4, one paragraph that says what to do; with a new login `resume` ends what was begun."""
    first = login.hand_out("first")
    process = watching(login)
    if later != "refused":
        login.write({})
    login.expire("first", first)
    done = finished(process)
    assert_refused(done, 4, "stopped in the middle", "credentials", f"resume shop -n {login.shop.namespace}")
    assert len(done.stderr.strip().splitlines()) == 2
    assert first not in done.stdout + done.stderr
    assert_refused(login.shop.run("resume", "shop", **login.environment), 2, "credentials")

    login.hand_out("second")
    resumed = login.shop.run("resume", "shop", **login.environment)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    restored(login.shop)
    state = json.loads(login.shop.run("status", "shop", "-o", "json", **login.environment).stdout)
    assert state["state"] == "SUCCEEDED", state
