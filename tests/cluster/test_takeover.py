"""A real run is stopped between a record and the write behind it, taken over, and woken: it writes nothing more."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.stage import RELEASE
from tests.cluster.troubled import (
    JOURNAL,
    REACHED,
    STRATEGIES,
    USUAL,
    announces,
    assert_plain,
    ended,
    troubled,
)

pytestmark = pytest.mark.cluster
CASES = [pytest.param(name, step, id=f"{name}-{step}") for name, each in STRATEGIES.items() for step in each.steps]


@pytest.mark.matrix(1)
@pytest.mark.parametrize(("name", "step"), CASES)
def test_a_suspended_run_that_was_taken_over(
    sandbox: Sandbox, namespace: str, tmp_path: Path, name: str, step: str
) -> None:
    """SIGSTOP with the announcement of `step` durable and its answer on the way; `resume` elsewhere; SIGCONT."""
    with troubled(sandbox, namespace, name, tmp_path) as world:
        held = world.proxy.order("hold", "PATCH", JOURNAL, when=announces(step))
        first = world.start_run()
        try:
            assert held.hit.wait(REACHED), first.communicate(timeout=5)
            first.send_signal(signal.SIGSTOP)
            held.let_go.set()  # the answer lies ready: once awake, the very next thing is the write
            second = world.stage.safe("resume", RELEASE, fails=True)
            assert second.returncode == 0, second.stdout + second.stderr
            world.assert_restored()
            assert world.proxy.writes(), "the first process wrote nothing through the proxy: nothing is proved"
            woken = time.monotonic()
            first.send_signal(signal.SIGCONT)
            done = ended(first)
        finally:
            first.kill()
        assert_plain(done)
        assert done.returncode == 4, done.stderr
        assert "took over the Lease of release" in done.stderr
        assert [(each.verb, each.path) for each in world.proxy.writes(woken)] == []
        world.assert_restored()  # helm itself goes beside the proxy: a second native rollback would show here


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_suspended_run_that_was_aborted(sandbox: Sandbox, namespace: str, tmp_path: Path, name: str) -> None:
    """Stopped before anything was touched: `abort` asks it in vain, takes over, and the release stays as it is."""
    with troubled(sandbox, namespace, name, tmp_path) as world:
        held = world.proxy.order("hold", "PATCH", JOURNAL, when=announces("autopsy"))
        first = world.start_run()
        try:
            assert held.hit.wait(REACHED), first.communicate(timeout=5)
            first.send_signal(signal.SIGSTOP)
            held.let_go.set()
            second = world.stage.safe("abort", RELEASE, fails=True)
            assert second.returncode == 0, second.stdout + second.stderr
            woken = time.monotonic()
            first.send_signal(signal.SIGCONT)
            done = ended(first)
        finally:
            first.kill()
        assert_plain(done)
        assert done.returncode == 4, done.stderr
        assert [(each.verb, each.path) for each in world.proxy.writes(woken)] == []
        assert [row["status"] for row in world.stage.history()] == ["superseded", "deployed"]


@pytest.mark.parametrize("name", USUAL)
def test_a_suspended_run_that_nobody_took_goes_on(sandbox: Sandbox, namespace: str, tmp_path: Path, name: str) -> None:
    """Its Lease expired, but it is still its own: it reads that, renews it and finishes."""
    with troubled(sandbox, namespace, name, tmp_path) as world:
        held = world.proxy.order("hold", "PATCH", JOURNAL, when=announces("rollback"))
        run = world.start_run()
        try:
            assert held.hit.wait(REACHED), run.communicate(timeout=5)
            run.send_signal(signal.SIGSTOP)
            held.let_go.set()
            time.sleep(16)
            run.send_signal(signal.SIGCONT)
            done = ended(run)
        finally:
            run.kill()
        assert done.returncode == 0, done.stdout + done.stderr
        world.assert_restored()
