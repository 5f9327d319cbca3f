"""kill -9 around every write of a staged run, those of its journal included, and around the native call.

A crash is a photograph of the world: what had become durable is in it, what the process knew is not. From each one
`resume` must complete the rollback, and `abort` must end at the safe weights.
HELM_SAFE_FULL=1 goes through all of them; without it a sample, drawn anew every day, keeps the tests quick.
"""

from __future__ import annotations

import copy
import os
import random
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from functools import partial

import pytest

from helm_safe.model.errors import HelmSafeError, NotFound, PersonNeeded, RunFailed
from helm_safe.model.machine import committed, stopping
from helm_safe.model.plan import EndState
from helm_safe.rollback import control
from helm_safe.rollback.runs import latest_run
from tests.fakes.controllers import GOOD
from tests.fakes.runs import RELEASE
from tests.fakes.shop import NAME, NAMESPACE, PODS, Shop, photographs
from tests.rollback.scenes import (
    MODES,
    SCENES,
    STABLE,
    STANDBY,
    Scene,
    assert_restored,
    assert_unhurt,
    assert_untouched,
    progress_of,
    settings,
)

FULL = bool(os.environ.get("HELM_SAFE_FULL"))
SEED = os.environ.get("HELM_SAFE_SEED") or f"{date.today():%Y%m%d}"  # noqa: DTZ011 - only a seed
SAMPLE, AGAIN = 6, 1
SAFE = {"standby": STANDBY, "shift": STABLE}
"""Who has proved itself after COMMIT, until RETURN is over."""
Photos = list[tuple[str, Shop]]


@pytest.fixture(scope="module", params=[f"{name}-{mode}" for name in SCENES for mode in MODES])
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Scene, Photos]:
    """A scene, and its shop around every write of a run."""
    name, _, mode = request.param.rpartition("-")
    scene = SCENES[name]
    made = scene.make(tmp_path_factory.mktemp("evidence"), mode)
    photos = photographs(made, scene.begin)
    assert_restored(made, scene)
    assert progress_of(made).plan.strategy == scene.strategy  # type: ignore[union-attr]
    return scene, photos


def test_a_killed_run_can_be_resumed(film: tuple[Scene, Photos]) -> None:
    """From another machine: everything is restored, and helm ran once."""
    each_crash(film, resumed)


def test_a_killed_run_can_be_aborted(film: tuple[Scene, Photos]) -> None:
    """Before COMMIT everything is put back; after it users are with proven pods, and `resume` completes."""
    each_crash(film, aborted)


def test_killed_again(film: tuple[Scene, Photos]) -> None:
    """The process that resumed or aborted dies as well; a third one goes on, or turns round."""
    scene, photos = film
    for number in drawn(photos, AGAIN):
        for verb in (control.resume, control.abort):
            made = copy.deepcopy(photos[number][1])
            if unfinished(made):
                second = photographs(made, partial(ended, verb))
                each_crash((scene, second), resumed, AGAIN)
                each_crash((scene, second), aborted, AGAIN)


def ended(verb: Callable[..., object], made: Shop) -> None:
    """Whether well, with a person needed, or too late for an abort."""
    with suppress(PersonNeeded, NotFound):
        verb(made.world, RELEASE, settings())


def each_crash(film: tuple[Scene, Photos], act: Callable[[Shop, Scene], None], count: int = SAMPLE) -> None:
    """Let `act` go on from each; all that goes wrong is told at the end."""
    scene, photos = film
    wrong = []
    for number in drawn(photos, count):
        where, made = photos[number]
        try:
            act(copy.deepcopy(made), scene)
        except (AssertionError, HelmSafeError) as error:
            at = traceback.extract_tb(error.__traceback__)[-1]
            wrong.append(f"{number}, {where}: {type(error).__name__} {error} ({at.filename}:{at.lineno} {at.line})")
    assert not wrong, f"seed {SEED}, killed at\n" + "\n".join(wrong)


def drawn(photos: Photos, count: int) -> list[int]:
    """Some crashes in the order of the run; all of them, or more of many, where that is asked for."""
    wanted = (len(photos) if count == SAMPLE else 4 * count) if FULL else count
    return sorted(random.Random(SEED).sample(range(len(photos)), min(wanted, len(photos))))


def unfinished(made: Shop) -> bool:
    """Whether there is something to go on with; time passes until somebody looks."""
    made.clock.sleep(60)
    state = latest_run(made.world, RELEASE)
    return state is not None and state.unfinished


def resumed(made: Shop, scene: Scene) -> None:
    """A way out that was entered is gone to its end; behind COMMIT another resume then completes."""
    if not unfinished(made):
        return
    before = progress_of(made)
    assert before.plan
    if not stopping(before.plan, before):
        control.resume(made.world, RELEASE, settings())
        assert_restored(made, scene)
    elif not committed(before):
        with suppress(RunFailed):  # whoever resumes what was aborted is told that it ended so
            control.resume(made.world, RELEASE, settings())
        assert_untouched(made)
    else:
        ended(control.resume, made)
        if unfinished(made):
            control.resume(made.world, RELEASE, settings())
        assert_restored(made, scene)


def aborted(made: Shop, scene: Scene) -> None:
    if not unfinished(made):
        return
    if not committed(progress_of(made)):
        assert control.abort(made.world, RELEASE, settings()) is EndState.ABORTED
        assert_untouched(made)
        with pytest.raises(NotFound):
            control.resume(made.world, RELEASE, settings())
        return
    if progress_of(made).returned:
        with pytest.raises(NotFound, match="succeeded before it could be aborted"):
            control.abort(made.world, RELEASE, settings())
        assert_restored(made, scene)
        return
    with pytest.raises(PersonNeeded):
        control.abort(made.world, RELEASE, settings())
    assert_unhurt(made)
    if scene.strategy == "replicas":
        behind = made.controllers.behind(NAMESPACE, NAME)
        assert behind == [GOOD] * PODS
        assert made.spec("Deployment", NAME)["replicas"] == 0
        assert made.traces() == []
        control.resume(made.world, RELEASE, settings())
        assert_restored(made, scene)
    if scene.strategy == "partition":
        assert made.traces() == []
        control.resume(made.world, RELEASE, settings())
        assert_restored(made, scene)
    if scene.strategy not in SAFE:
        return
    assert made.traces() == []
    weights = made.weights()
    assert weights[NAME] == 0
    assert weights[SAFE[scene.strategy]] > 0
    control.resume(made.world, RELEASE, settings())
    assert_restored(made, scene)
