"""Istio in a sandbox: it comes on request, is shown, and goes with the sandbox."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from helm_safe.sandbox import layout
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.errors import NotUp
from helm_safe.sandbox.istio import adding
from helm_safe.sandbox.istio.commands import ENVOY, ISTIOD, bootstrap
from helm_safe.sandbox.spec import Spec
from tests.sandbox.test_ends import commands, eventually_none, traces

ROOT = Path(__file__).parents[2]
NAME = f"istio-{os.getpid()}"


def test_it_is_asked_for_once(tmp_path: Path) -> None:
    """Who comes later does not change what is being started."""
    spec = Spec("x", str(tmp_path), {}, "", sys.executable, 1, 2, isolated=True, user_namespace=False)
    assert adding.asked(spec) == {}
    for each in ("one", "other"):
        adding.ask(spec, {ISTIOD: Path(each)}, Path("definitions.yaml"))
    assert adding.asked(spec) == {"programs": {ISTIOD: "one"}, "definitions": "definitions.yaml"}
    assert not adding.is_up(spec)


def test_pods_ports_stay_free() -> None:
    """What listens on every address would be taken from all pods."""
    listening = json.dumps([bootstrap()["admin"], bootstrap()["static_resources"]["listeners"]])
    assert "0.0.0.0" not in listening
    assert "10.0.0.3" in listening


@pytest.fixture
def own(sandbox: Sandbox) -> Iterator[Sandbox]:
    """Another one: the session's must not end here."""
    found = Sandbox.up(NAME)
    yield found
    if layout.alive(found.spec.run):
        found.down()


@pytest.mark.cluster
@pytest.mark.timeout(900)  # the first call builds istiod
def test_it_comes_on_request_and_goes_with_the_sandbox(own: Sandbox) -> None:
    assert own.istio_url == ""
    assert not any(ISTIOD in line or ENVOY in line for _, line in commands() if str(own.spec.run) in line)
    began = time.monotonic()
    own.start_istio()
    print(f"istio: up after {time.monotonic() - began:.1f} s", file=sys.__stderr__, flush=True)
    own.start_istio()  # nothing to do
    assert own.istio_url == "http://127.0.0.1:8001"
    assert {path.name for path in own.spec.logs.iterdir()} >= {f"{ISTIOD}.log", f"{ENVOY}.log"}
    shown = subprocess.run(
        [sys.executable, "-m", "helm_safe", "sandbox", "status"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert f"Istio's gateway inside at {own.istio_url}" in shown.stdout
    pid = next(pid for pid, line in commands() if f"{own.spec.data}/istio/envoy.json" in line)
    os.kill(pid, signal.SIGKILL)
    eventually_none(lambda: [line for line in traces(own.spec.run) if line != str(own.spec.run)])
    with pytest.raises(NotUp, match="envoy ended by signal 9"):
        Sandbox.attach(NAME)
