"""What a person reads last when a run stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from helm_safe.cli import wiring
from helm_safe.cli.main import main
from helm_safe.model.errors import FAILED
from tests.fakes.controllers import FAILING, GOOD, POLITE, Behaviour
from tests.fakes.runs import RELEASE
from tests.rollback.scenes import assert_untouched
from tests.rollback.test_staged import simple


@pytest.mark.parametrize(
    ("target", "current", "beside"),
    [(POLITE, GOOD, "the current version 0 % of"), (POLITE, FAILING, "the current version 40 % of")],
)
def test_a_rollback_does_not_help(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    target: Behaviour,
    current: Behaviour,
    beside: str,
) -> None:
    """The target is worse than the current version, or as bad: the first step stops it, traffic is at the safe weights,
    and the last line says why nobody is helped."""
    made = simple(tmp_path, one=target, two=current)
    monkeypatch.setattr(wiring, "open_world", lambda args, reporter: (made.world, RELEASE))
    monkeypatch.chdir(tmp_path)
    command = [RELEASE.name, "1", "-n", RELEASE.namespace, "--yes", "--steps", "1,10,50,100", "--strategy", "standby"]
    assert main(command) == FAILED
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith("A rollback does not help: at 1 % of the users the target failed 40 % of")
    assert beside in last
    assert_untouched(made)
