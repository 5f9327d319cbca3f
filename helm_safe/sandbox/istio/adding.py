"""How Istio comes into a sandbox that is up: a file in the run folder asks for it, the supervisor starts it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from helm_safe.sandbox import layout
from helm_safe.sandbox.istio import commands, objects
from helm_safe.sandbox.istio.commands import ENVOY, ISTIOD
from helm_safe.sandbox.network import ISTIO_IP
from helm_safe.sandbox.objects import pod_status
from helm_safe.sandbox.spec import GATEWAY_NAMESPACE, Spec

_WANTED, _STATE = "istio-wanted.json", "istio.json"


class Keeper(Protocol):
    """What the supervisor does for it."""

    spec: Spec

    def start(self, name: str, command: list[str], more: Mapping[str, str] = ...) -> None: ...

    def wait(self, name: str, ready: Callable[[], bool]) -> None: ...

    def kubectl(self, *words: str, given: str = "") -> bool: ...


def ask(spec: Spec, programs: Mapping[str, Path], definitions: Path) -> None:
    """Outside: ask for it. It is asked for once, whoever comes later."""
    if not (spec.run / _WANTED).exists():
        found = {name: str(path) for name, path in programs.items()}
        layout.write_private(spec.run / _WANTED, json.dumps({"programs": found, "definitions": str(definitions)}))


def is_up(spec: Spec) -> bool:
    return layout.read_json(spec.run / _STATE).get("state") == "ready"


def asked(spec: Spec) -> dict[str, Any]:
    """Inside: what is asked for, empty while nothing is."""
    return layout.read_json(spec.run / _WANTED)


def add(keeper: Keeper, wanted: Mapping[str, Any]) -> None:
    """Inside: the definitions and objects, istiod, then the gateway. Raises SandboxError for what does not start."""
    spec, programs = keeper.spec, wanted["programs"]
    definitions = ("apply", "--server-side", "--force-conflicts", "-f", str(wanted["definitions"]))
    keeper.wait("kube-apiserver", lambda: keeper.kubectl(*definitions))
    established = ("wait", "--for=condition=Established", "crd", "--all", "--timeout=20s")
    keeper.wait("kube-apiserver", lambda: keeper.kubectl(*established))
    given = objects.gateway(spec)
    keeper.wait("kube-apiserver", lambda: keeper.kubectl("apply", "--server-side", "-f", "-", given=given))
    pod = ("pod", commands.GATEWAY_POD, "-n", GATEWAY_NAMESPACE, "--subresource=status", "--type=merge")
    status = json.dumps(pod_status(ISTIO_IP))
    keeper.wait("kube-apiserver", lambda: keeper.kubectl("patch", *pod, "-p", status))
    commands.write_configuration(spec)
    keeper.start(ISTIOD, commands.istiod(spec, programs[ISTIOD]), commands.ENVIRONMENT)
    keeper.wait(ISTIOD, lambda: _answers(commands.READY_URL))
    keeper.start(ENVOY, commands.envoy(spec, programs[ENVOY]))
    keeper.wait(ENVOY, lambda: _answers(commands.ENVOY_READY_URL))
    keeper.wait(ENVOY, lambda: _answers(f"http://127.0.0.1:{spec.ports.istio}/", any_status=True))
    layout.write_private(spec.run / _STATE, json.dumps({"state": "ready", "at": time.time()}))


def _answers(url: str, *, any_status: bool = False) -> bool:
    """Whether a program of the sandbox answers; nobody's proxy is asked."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        return any_status
    except OSError:
        return False
