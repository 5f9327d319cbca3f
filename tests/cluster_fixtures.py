"""The real control plane for tests: one sandbox per session, a namespace per test.

HELM_SAFE_TEST_SANDBOX=NAME uses one that is up; HELM_SAFE_REQUIRE_CLUSTER=1 turns a missing one into a failure.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator

import pytest

from helm_safe.model.errors import HelmSafeError
from helm_safe.sandbox.cluster import Sandbox


def _say(text: str) -> None:
    print(f"sandbox: {text}", file=sys.__stderr__, flush=True)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox with a data plane; skipped with its reason where there can be none."""
    named = os.environ.get("HELM_SAFE_TEST_SANDBOX", "")
    try:
        found = Sandbox.attach(named) if named else Sandbox.up(f"tests-{os.getpid()}", say=_say, owned=True)
        found.helm(3)
    except HelmSafeError as error:
        _unavailable(error.message)
    if not found.spec.isolated:
        found.down()
        _unavailable("namespaces are not permitted on this machine")
    yield found
    if not named:
        found.down()


def _unavailable(why: str) -> None:
    if os.environ.get("HELM_SAFE_REQUIRE_CLUSTER") == "1":
        pytest.fail(f"the sandbox is required here: {why}")
    pytest.skip(why)


@pytest.fixture
def namespace(sandbox: Sandbox) -> Iterator[str]:
    """A fresh namespace, deleted afterwards."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    env = {**os.environ, **sandbox.env()}
    subprocess.run(["kubectl", "create", "namespace", name], env=env, check=True, capture_output=True)
    yield name
    command = ["kubectl", "delete", "namespace", name, "--wait=false"]
    subprocess.run(command, env=env, check=False, capture_output=True)
