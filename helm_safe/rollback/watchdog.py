"""The watchdog: whoever drove a run is gone, so it puts users where they are safe.

It watches the Lease by its own clock. One that nobody renews for `after` seconds is waited for once more, taken over
with a new epoch, and the run is aborted as `abort` does it: before COMMIT everything is as it was, after it users stay
on proven pods. A run that its person stopped counts as one without a driver, too.
"""

from __future__ import annotations

from helm_safe.journal.lease import DURATION
from helm_safe.model.errors import Blocked, ClusterError, HelmSafeError, PersonNeeded
from helm_safe.model.events import Event, Level
from helm_safe.model.plan import Stage
from helm_safe.model.revisions import Release
from helm_safe.model.settings import Settings
from helm_safe.rollback import control
from helm_safe.rollback.context import World
from helm_safe.rollback.runs import RunState, latest_run

POLL = 2.0
TRIES = 10
"""How often it walks a way out that is stuck before COMMIT, before it leaves that to a person."""
NO_RUN = 600.0
"""Seconds for which it waits for a run to begin."""


def within(after: float) -> float:
    """Seconds from the driver's last sign of life within which users are safe: two waits, and the writes."""
    return after + DURATION + 15.0


def stand(world: World, release: Release, after: float) -> str:
    """Until the run is over, by itself or by what is done here; returns how, in words.

    Raises PersonNeeded where the native rollback had run: users are on proven pods, and somebody must go on; and where
    users could not be put back in several tries. A look that fails says nothing: neither that somebody drives the run
    nor that nobody does.
    """
    clock, tries = world.clock, TRIES
    since, sign, began = clock.monotonic(), "", clock.monotonic()
    while True:
        try:
            state = latest_run(world, release)
        except ClusterError as error:
            _tell(world, f"the run cannot be looked at: {error.message}", Level.WARNING)
            clock.sleep(POLL)
            continue
        if state is not None and not state.unfinished:
            return f"run {state.run_id} ended {state.progress.end}"
        if state is None and clock.monotonic() - began > NO_RUN:
            return "no run began"
        if state is None or _sign(state) != sign:
            since, sign = clock.monotonic(), _sign(state) if state else ""
        elif clock.monotonic() - since >= after:
            tries -= 1
            words = _act(world, release, state, last=tries <= 0)
            if words:
                return words
            since = clock.monotonic()
        clock.sleep(POLL)


def _sign(state: RunState) -> str:
    """What changes while somebody drives the run."""
    holder = state.holder
    return f"{state.run_id} {holder.identity} {holder.renewed} {holder.epoch}" if holder else f"{state.run_id} nobody"


def _act(world: World, release: Release, state: RunState, *, last: bool) -> str:
    """Abort it; "" where somebody came back meanwhile, or where users may still be put back by another try."""
    who = state.holder.identity if state.holder else "nobody"
    _tell(world, f"run {state.run_id} is left alone ({who} held it): putting users where they are safe", Level.WARNING)
    try:
        end = control.take_to_safety(world, release, Settings(guarding=True))
    except Blocked as error:
        _tell(world, error.message)
        return ""
    except PersonNeeded as error:
        if last or not _stuck(world, release):
            raise
        _tell(world, f"not yet: {error.message}", Level.WARNING)
        return ""
    except HelmSafeError as error:
        _tell(world, f"not yet: {error.message}", Level.WARNING)
        return ""
    return f"run {state.run_id} was {end.value} by the watchdog"


def _stuck(world: World, release: Release) -> bool:
    """Whether users are not back yet; they are taken for that where nobody can tell."""
    try:
        state = latest_run(world, release)
    except ClusterError:
        return True
    return state is not None and state.stuck


def _tell(world: World, words: str, level: Level = Level.INFO) -> None:
    world.reporter.event(Event(world.clock.now(), Stage.INSPECT.value, level, words))
