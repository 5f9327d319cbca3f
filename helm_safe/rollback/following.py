"""A release that Flagger or Argo Rollouts drives: after the native rollback the run follows them to their decision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from helm_safe.core.objects import Object, ObjectRef, dig
from helm_safe.model.errors import OutcomeUnknown
from helm_safe.model.machine import Verdict
from helm_safe.model.neighbours import CANARY, ROLLOUT
from helm_safe.model.plan import Stage, Step
from helm_safe.model.snapshot import Snapshot
from helm_safe.rollback.commit import Outcome, failed, passed
from helm_safe.rollback.context import Run
from helm_safe.rollback.watch import watches_on

POLL = 2.5
NOTICES = 60.0
"""Seconds within which a controller is expected to notice the restored revision; Flagger looks once per interval."""


class Standing(NamedTuple):
    """What a controller says of its work. said: for people."""

    verdict: Verdict
    said: str


def steps(snapshot: Snapshot) -> Iterator[Step]:
    followed = {each.ref: each.controller for each in snapshot.drivers if each.followed}
    if followed:
        names = ", ".join(map(str, followed))
        title = f"follow {names} until {' and '.join(sorted(set(followed.values())))} decided"
        rows = [{"ref": list(ref), "seen": _seen(snapshot.live.get(ref, {}))} for ref in followed]
        yield Step("follow", Stage.WATCH, "follow", title, {"neighbours": rows})


def follow(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - reads only
    """Until each has decided; none decides against its own objects, so nothing is written here."""
    said = []
    for row in step.args["neighbours"]:
        ref = ObjectRef(*row["ref"])
        standing = _decided(run, step, ref, row["seen"])
        if standing.verdict is Verdict.FAIL:
            return failed(f"{ref}: {standing.said}")
        said.append(f"{ref}: {standing.said}")
    return passed("; ".join(said))


def _decided(run: Run, step: Step, ref: ObjectRef, seen: Any) -> Standing:
    """Its decision. Raises OutcomeUnknown where none comes in time."""
    clock, told = run.world.clock, ""
    started, judge = clock.monotonic(), _JUDGES[ref.group, ref.kind]
    while True:
        run.safe_point(f"while {ref} was followed; the release is at the restored revision")
        live, passed_by = _live(run, ref), clock.monotonic() - started
        standing = judge(live, noticed=_seen(live) != seen or passed_by > NOTICES)
        if standing.verdict is not Verdict.INCONCLUSIVE:
            return standing
        if standing.said != told:
            run.tell(step.stage, f"{ref}: {standing.said}")
            told = standing.said
        if passed_by > float(run.plan.settings["timeout"]):
            raise OutcomeUnknown(f"{ref} has not decided: {standing.said}", watches_on(run))
        clock.sleep(POLL)


def _live(run: Run, ref: ObjectRef) -> Object:
    resource = run.world.cluster.served().preferred(ref.group, ref.kind)
    found = run.world.cluster.get(resource, ref.namespace, ref.name) if resource else None
    if found is None:
        raise OutcomeUnknown(f"{ref} is gone: nobody drives the release any more", watches_on(run))
    return found


def _seen(live: Object) -> Any:
    """What the controller has noticed last: a hash of the pod template, with Flagger and with Argo Rollouts."""
    return dig(live, "status", "lastAppliedSpec") or dig(live, "status", "currentPodHash")


def _canary(live: Object, *, noticed: bool) -> Standing:
    """Flagger 1.44: status.phase, canaryWeight, and the message of the condition Promoted."""
    phase, weight = str(dig(live, "status", "phase") or "Initializing"), dig(live, "status", "canaryWeight")
    said = f"Flagger says {phase}" + (f", {weight} % of the users at the restored pods" if weight else "")
    if not noticed:
        return Standing(Verdict.INCONCLUSIVE, "Flagger has not noticed the restored revision yet")
    if phase in ("Succeeded", "Initialized"):
        return Standing(Verdict.PASS, said)
    return Standing(Verdict.FAIL if phase == "Failed" else Verdict.INCONCLUSIVE, said)


def _rollout(live: Object, *, noticed: bool) -> Standing:
    """Argo Rollouts 1.9: status.phase; observedGeneration is a string, and that of a workloadRef's Rollout stays."""
    phase = str(dig(live, "status", "phase") or "Progressing")
    observed = str(dig(live, "status", "observedGeneration")) == str(dig(live, "metadata", "generation"))
    if not noticed or not observed:
        return Standing(Verdict.INCONCLUSIVE, "Argo Rollouts has not noticed the restored revision yet")
    weight = dig(live, "status", "canary", "weights", "canary", "weight")
    more = dig(live, "status", "message") or (f"{weight} % of the users at the restored pods" if weight else "")
    said = f"Argo Rollouts says {phase}" + (f" ({more})" if more else "")
    if phase == "Paused":
        said += f"; kubectl argo rollouts promote {dig(live, 'metadata', 'name')} goes on"
    verdict = {"Healthy": Verdict.PASS, "Degraded": Verdict.FAIL}.get(phase, Verdict.INCONCLUSIVE)
    return Standing(verdict, said)


_JUDGES: dict[tuple[str, str], Callable[..., Standing]] = {CANARY: _canary, ROLLOUT: _rollout}
