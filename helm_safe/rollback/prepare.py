"""INSPECT and PLAN as one: all that is known and decided before anything is touched."""

from __future__ import annotations

from dataclasses import dataclass, replace

from helm_safe.checks.run import run_checks
from helm_safe.core.findings import Finding
from helm_safe.helm.flags import check_flags
from helm_safe.model.changes import Change
from helm_safe.model.errors import Blocked, UsageError
from helm_safe.model.events import Event, Level
from helm_safe.model.evidence import current_of, propose
from helm_safe.model.plan import Advice, Plan, Stage
from helm_safe.model.revisions import Evidence, History, Release, Revision
from helm_safe.model.routes import service_of
from helm_safe.model.settings import Asked, Settings
from helm_safe.model.snapshot import Snapshot
from helm_safe.rollback.context import World
from helm_safe.rollback.discovery import Routed, Search, down, routed
from helm_safe.rollback.gauge import Gauge, services_of
from helm_safe.rollback.inspect import evidence_for, gather, revision_of
from helm_safe.rollback.pauses import verify_pauses
from helm_safe.rollback.planning import build_plan
from helm_safe.rollback.queries import untold
from helm_safe.rollback.runs import standing_isolation
from helm_safe.rollback.scene import Scene
from helm_safe.rollback.strategy import choose, without_users


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is known before anything is touched."""

    history: History
    evidence: dict[int, Evidence]
    proposed: bool
    snapshot: Snapshot
    findings: tuple[Finding, ...]
    plan: Plan


def prepare(world: World, release: Release, number: int | None, asked: Asked) -> Prepared:
    """INSPECT and PLAN; writes nothing. Raises NotFound, ClusterError, UsageError (no good revision, bad settings)."""
    history = world.releases.history(release)
    current = current_of(history) or history.last
    evidence = evidence_for(world, history, asked.settle(current, None).known_good_after)
    target = revision_of(history, number) if number else _proposal(history, evidence)
    settings = asked.settle(current, target)
    verify_pauses(settings)
    check_flags(world.releases.version(), settings.native, target)
    change = Change(current=current, target=target)
    gauge = Gauge(world, release.namespace, services_of(current, target), settings)
    snapshot = gather(world, history, change, settings)
    gauge.close()
    if gauge.origin:
        words = f"what users get is told by {gauge.origin}"
        world.reporter.event(Event(world.clock.now(), Stage.INSPECT.value, Level.INFO, words))
    scene, strategy, why = _chosen(world, snapshot, settings, gauge)
    snapshot = scene.snapshot
    # The checks judge what will be done: nothing is doubled, say, where no standby is made.
    unanswered = untold(world, release, settings.resolved, [door.service for door in snapshot.staging.doors()])
    chosen = replace(settings, strategy=strategy)
    snapshot = replace(snapshot, blind=gauge.blind, unanswered=unanswered, settings=chosen)
    findings = tuple(run_checks(snapshot))
    plan = build_plan(replace(scene, snapshot=snapshot), strategy, why, findings)
    return Prepared(history, evidence, number is None, snapshot, findings, plan)


def _chosen(world: World, snapshot: Snapshot, settings: Settings, gauge: Gauge) -> tuple[Scene, str, str]:
    """The strategy and why, with the scene as it is for that one."""
    by_ratio = snapshot.plain.staged or settings.strategy == "replicas"
    scene = _scene(world, snapshot.by_ratio() if by_ratio else snapshot, settings, gauge)
    strategy, why = choose(scene)
    if strategy != "replicas":
        # What is down is told by those to whom users come by a Service alone, too.
        down = replace(scene.snapshot, permitted=snapshot.permitted)
        return replace(scene, snapshot=down if strategy == "express" else snapshot), strategy, why
    words = _against(scene.snapshot, snapshot) if settings.strategy == "auto" else ""
    if not words:
        return scene, strategy, why
    scene = replace(scene, snapshot=snapshot)
    return scene, without_users(scene)[0], f"no second set of its pods is made: {words}"


def _against(snapshot: Snapshot, before: Snapshot) -> str:
    """Why `replicas` would be blocked where the native rollback is not, in the words of the first finding; "" if not.

    Nobody asked for a second set of pods, so what stands against it alone is a reason not to make one.
    """
    native, doubled = (
        replace(each, settings=replace(each.settings, strategy=strategy))
        for each, strategy in ((before, "native"), (snapshot, "replicas"))
    )
    known = {(each.check, each.object) for each in run_checks(native) if each.blocks}
    found = (each for each in run_checks(doubled) if each.blocks and (each.check, each.object) not in known)
    return next((each.message.rstrip(".") for each in found), "")


def _scene(world: World, snapshot: Snapshot, settings: Settings, gauge: Gauge) -> Scene:
    """What the strategy is chosen from. A known-good backend is only looked for where it may be used."""
    release = snapshot.history.release
    where = routed(snapshot.around, release, settings.resolved.value("route"))
    wanted = settings.strategy in ("auto", "shift") and settings.resolved.value("isolate") != "never"
    services = {service_of(door.service) for door in snapshot.staging.doors()}
    return Scene(
        snapshot,
        settings,
        where,
        good=_search(world, snapshot, where, gauge).known_good() if wanted and snapshot.staging.staged else None,
        down=down(snapshot, gauge),
        rate=gauge.rate(services),
        isolated=standing_isolation(world, release) is not None,
    )


def _search(world: World, snapshot: Snapshot, where: Routed, gauge: Gauge) -> Search:
    release, change = snapshot.history.release, snapshot.change
    revisions = (change.current, change.target)
    return Search(world, release, revisions, snapshot.live, where, gauge.windows, snapshot.settings)


def refuse_if_blocked(prepared: Prepared) -> None:
    """Raise Blocked with the ids that stand against the rollback; the findings themselves were shown before."""
    blocking = [finding for finding in prepared.findings if finding.blocks]
    if not blocking and prepared.plan.advice in (Advice.ROLL_BACK, Advice.BRIDGE):
        return
    ids = ", ".join(dict.fromkeys(finding.check for finding in blocking))
    advice = prepared.plan.advice
    instead = "" if advice in (Advice.BLOCKED, Advice.ROLL_BACK) else f" (advice: {advice.value})"
    raise Blocked(
        f"the rollback of {prepared.history.release} to revision {prepared.plan.target} is blocked by {ids}{instead}; "
        "the release is untouched",
        'Mend what the findings name, or let one through with --accept ID="reason".',
    )


def question(prepared: Prepared) -> str:
    target = prepared.snapshot.change.target
    facts = "; ".join(prepared.evidence[target.number].facts) if target.number in prepared.evidence else ""
    known = f" ({facts})" if facts else ""
    if target.future:
        return f"Upgrade {prepared.history.release} to revision {target.number}?"
    return f"Roll {prepared.history.release} back to revision {target.number}{known}?"


def _proposal(history: History, evidence: dict[int, Evidence]) -> Revision:
    found = propose(history, evidence)
    if found is None:
        raise UsageError(
            f"no revision of {history.release} has evidence of having been good, so none is proposed",
            f"Look at `helm safe-rollback history {history.release.name} -n {history.release.namespace}` and name one.",
        )
    return found
