"""The command `isolate`, and what later runs must know of an isolation that still stands."""

from __future__ import annotations

from helm_safe.journal.secret_store import runs_of
from helm_safe.model.machine import Verdict
from helm_safe.model.plan import Stage
from helm_safe.model.records import Kind, Progress, fold
from helm_safe.model.revisions import Release
from helm_safe.rollback.context import Run, World


def standing_isolation(world: World, release: Release) -> tuple[str, Progress] | None:
    """The newest run that isolated users and left them so; None where nobody is isolated."""
    for run_id, records in reversed(runs_of(world.cluster, release).items()):
        progress = fold(records)
        isolated = progress.done.get("isolate", {}).get("verdict") == Verdict.PASS.value
        restored = {"routes", "undo isolate"} & set(progress.done)
        if restored:
            return None
        if isolated:
            return run_id, progress
    return None


def inherit(run: Run) -> None:
    """Take over the originals of an isolation that stands: they, not its weights, are what must come back."""
    if not run.plan.settings["isolated"]:
        return
    found = standing_isolation(run.world, run.release)
    moved = {f"route {route.ref}" for route in run.plan.traffic.routes} if run.plan.traffic else set()
    for step, data in found[1].captured.items() if found else ():
        if step in moved:
            run.record(Kind.CAPTURED, Stage.ISOLATE, step, data)
