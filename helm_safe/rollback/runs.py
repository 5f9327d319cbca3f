"""Runs as their journals tell them: the newest, the unfinished, and isolations that still stand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from helm_safe.journal.lease import Holder, current_holder
from helm_safe.journal.secret_store import runs_of
from helm_safe.model.errors import Blocked, NotFound
from helm_safe.model.machine import committed, waiting
from helm_safe.model.plan import EndState
from helm_safe.model.records import Progress, Record, fold
from helm_safe.model.revisions import Release
from helm_safe.model.routes import RouteCapture, Weight
from helm_safe.rollback.context import World
from helm_safe.rollback.traffic import router_of

UNDO_ISOLATE = "undo isolate"


@dataclass(frozen=True, slots=True)
class RunState:
    """A run as its journal tells it, and who holds the Lease now."""

    run_id: str
    progress: Progress
    holder: Holder | None
    records: tuple[Record, ...]

    @property
    def unfinished(self) -> bool:
        return bool(self.progress.plan) and (not self.progress.end or self.held or self.stuck)

    @property
    def waiting(self) -> tuple[str, dict[str, Any]] | None:
        """The step that waits for a person and what it waits for; None while none does."""
        return waiting(self.progress.plan, self.progress) if self.progress.plan else None

    @property
    def held(self) -> bool:
        """Whether it ended after COMMIT with users on pods that are not the release's own: somebody must go on."""
        return bool(self.progress.plan and self.progress.plan.hold) and self.failed_late

    @property
    def failed_late(self) -> bool:
        """Whether it failed after COMMIT: `resume` looks again, and does anew what failed."""
        return self.progress.end == EndState.FAILED.value and committed(self.progress)

    @property
    def stuck(self) -> bool:
        """Whether it ended before COMMIT and could not put everything back: `abort` tries the rest again."""
        undo = self.progress.plan.undo if self.progress.plan else ()
        failed = any(step.id in self.progress.done and not self.progress.passed(step.id) for step in undo)
        return failed and bool(self.progress.end) and not committed(self.progress)


def latest_run(world: World, release: Release) -> RunState | None:
    """The newest run of a release, finished or not; None where there never was one."""
    runs = runs_of(world.cluster, release)
    if not runs:
        return None
    run_id = max(runs)
    return RunState(run_id, fold(runs[run_id]), current_holder(world.cluster, release), tuple(runs[run_id]))


def unfinished_run(world: World, release: Release) -> RunState:
    """The run that has no end yet. Raises NotFound where there is none."""
    return _checked(release, latest_run(world, release), late=False)


def resumable_run(world: World, release: Release) -> RunState:
    """The same, or the newest one if it failed after COMMIT: nothing waits for it, and it may still be completed."""
    return _checked(release, latest_run(world, release), late=True)


def _checked(release: Release, state: RunState | None, *, late: bool) -> RunState:
    if state is None or not (state.unfinished or (late and state.failed_late)):
        ended = f" (the last one, {state.run_id}, ended {state.progress.end})" if state else ""
        raise NotFound(
            f"no run is under way for release {release}{ended}",
            f"`helm safe-rollback plan {release.name} -n {release.namespace}` shows what one would do.",
        )
    return state


def refuse_if_unfinished(world: World, release: Release) -> None:
    """Raise Blocked while a run is under way, or waits for somebody to go on with it."""
    state = latest_run(world, release)
    if state and state.unfinished:
        raise Blocked(
            f"run {state.run_id} of release {release} is unfinished (stage {_stage_of(state)}, since {_since(state)})",
            f"Go on with `helm safe-rollback resume {release.name} -n {release.namespace}`, or end it with `abort`.",
        )


def standing_isolation(world: World, release: Release) -> tuple[str, Progress] | None:
    """The newest run that isolated users and left them so; None where nobody is isolated, or somebody else ended it."""
    for run_id, records in reversed(runs_of(world.cluster, release).items()):
        progress = fold(records)
        if progress.returned or progress.passed(UNDO_ISOLATE):
            return None
        if progress.passed("isolate"):
            return (run_id, progress) if _stands(world, progress) else None
    return None


def _stands(world: World, progress: Progress) -> bool:
    """Whether the routes still carry the isolation: a deployment since then may have written them anew."""
    for moved in progress.plan.traffic.routes if progress.plan and progress.plan.traffic else ():
        router, resource = router_of(moved.router), world.cluster.served().preferred(moved.ref.group, moved.ref.kind)
        live = world.cluster.get(resource, moved.ref.namespace, moved.ref.name) if resource else None
        captured = progress.captured.get(f"route {moved.ref}")
        if live is None or captured is None:
            return False
        if router.foreign(RouteCapture.from_json(captured), live, moved.pairs, [Weight(100)]):
            return False
    return True


def _stage_of(state: RunState) -> str:
    return state.progress.last.stage if state.progress.last else "unknown"


def _since(state: RunState) -> datetime | str:
    return state.progress.started_at or "unknown"
