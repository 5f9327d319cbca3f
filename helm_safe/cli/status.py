"""`status RELEASE`: the run under way or the last one, from any machine."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from helm_safe.cli import options
from helm_safe.model.errors import OK, NotFound, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from helm_safe.model.plan import Plan, Step
    from helm_safe.model.records import Progress
    from helm_safe.model.revisions import Release
    from helm_safe.rollback.runs import RunState


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_release(parser)
    options.add_connection(parser)
    options.add_output(parser)
    parser.add_argument("--web", action="store_true", help="as a live page on this machine, until Ctrl-C")


def run(args: argparse.Namespace) -> int:
    from helm_safe.cli import wiring
    from helm_safe.rollback.runs import latest_run

    world, release = wiring.open_world(args, wiring.reporter_of(args))
    if args.web:
        from helm_safe.cli.live_page import serve

        return serve(args, world, release)
    try:
        state = latest_run(world, release)
    except Unreachable as error:
        state = _from_disk(world.evidence, release, error)
    if state is None:
        raise NotFound(
            f"no run of release {release} is known",
            f"`helm safe-rollback plan {release.name} -n {release.namespace}` shows what one would do.",
        )
    if args.output == "text":
        _show(args, state)
        if state.waiting:
            _show_waiting(args, state.waiting[1], release, world.clock.now())
    else:
        from helm_safe.report.document import write_document

        write_document(document(state), args.output)
    return OK


def _from_disk(folder: Any, release: Any, error: Unreachable) -> RunState:
    """The copy that this machine keeps. Raises the error when it has none."""
    from helm_safe.journal.mirror import read_mirror
    from helm_safe.model.records import fold
    from helm_safe.rollback.runs import RunState

    runs = read_mirror(folder, release)
    if not runs:
        raise error
    run_id = max(runs)
    return RunState(run_id, fold(runs[run_id]), None, tuple(runs[run_id]))


def document(state: RunState) -> dict[str, Any]:
    """The published shape (schema status)."""
    progress, plan = state.progress, state.progress.plan
    return {
        "run": state.run_id,
        "state": _state(state),
        "stage": progress.last.stage if progress.last else "",
        "reason": progress.reason,
        "startedBy": progress.started_by,
        "startedAt": progress.started_at.isoformat() if progress.started_at else "",
        "holder": state.holder.identity if state.holder else "",
        "waiting": state.waiting[1] if state.waiting else None,
        "incident": _incident(progress),
        "safe": str(progress.safe.get("to", "")),
        "current": plan.current if plan else 0,
        "target": plan.target if plan else 0,
        "steps": [
            {
                "id": step.id,
                "stage": step.stage.value,
                "title": step.title,
                "state": _state_of(step.id, state),
                "result": str(_result(step.id, state)),
            }
            for step in (_steps(plan, progress) if plan else ())
        ],
    }


def _incident(progress: Progress) -> dict[str, Any] | None:
    """Names only: what was sent, and what did not arrive."""
    from helm_safe.model.records import INCIDENT

    if INCIDENT not in progress.captured:
        return None
    told = [
        {"name": name, "state": str(data.get("did", "")), "why": str(data.get("failed", ""))}
        for name, data in sorted(progress.told.items())
    ]
    return {"key": str(progress.captured[INCIDENT].get("key", "")), "notifiers": told}


def _show_waiting(args: argparse.Namespace, facts: dict[str, Any], release: Release, now: datetime) -> None:
    from helm_safe.report.console import console, line
    from helm_safe.rollback.waiting import waiting_words

    words = waiting_words(facts, release, now)
    line(console(no_color=args.no_color), words[:1].upper() + words[1:], "yellow")


def _state(state: RunState) -> str:
    if state.progress.end:
        return state.progress.end
    if state.holder:
        paused = state.holder.requests[-1:] == ("pause",)
        return "PAUSED" if paused else "WAITING" if state.waiting else "RUNNING"
    return "INTERRUPTED"


def _steps(plan: Plan, progress: Progress) -> Iterator[Step]:
    """The plan's steps, and those of the way out that were taken."""
    seen = progress.begun | set(progress.done)
    yield from plan.steps
    yield from (step for step in (*plan.undo, *plan.hold) if step.id in seen)


def _state_of(step: str, state: RunState) -> str:
    if step in state.progress.done:
        return "done" if state.progress.done[step].get("verdict") == "pass" else "failed"
    return "begun" if step in state.progress.begun else "waiting"


def _result(step: str, state: RunState) -> str:
    outcome = state.progress.done.get(step, {})
    return str(outcome.get("message") or outcome.get("reason") or "")


def _show(args: argparse.Namespace, state: RunState) -> None:
    from helm_safe.report.console import console, line, table

    out, body = console(no_color=args.no_color), document(state)
    line(out, f"Run {body['run']}: {body['state']}, revision {body['current']} → {body['target']}", "bold")
    line(out, f"Started {body['startedAt']} by {body['startedBy']}")
    if body["holder"]:
        line(out, f"Held by {body['holder']}")
    if body["safe"] and not state.progress.end:
        line(out, f"If it stops here, users belong to {body['safe']}")
    if body["reason"]:
        line(out, f"Reason: {body['reason']}")
    if body["incident"]:
        told = [
            f"{n['name']} {n['state']}" + (f" ({n['why']})" if n["why"] else "") for n in body["incident"]["notifiers"]
        ]
        line(out, f"Incident {body['incident']['key']}: {', '.join(told) or 'nobody was told yet'}")
    table(
        out,
        ["STAGE", "STATE", "STEP", "RESULT"],
        [[s["stage"], s["state"], s["title"], s["result"]] for s in body["steps"]],
    )
    if state.held:
        line(out, "Users are on proven pods: go on with `resume`, which watches and returns anew.", "yellow")
    if body["state"] == "INTERRUPTED":
        line(out, "Nobody works on it: go on with `resume`, or put things back with `abort`.", "yellow")
