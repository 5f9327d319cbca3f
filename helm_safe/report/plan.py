"""A plan as people read it: what will happen, why, and what will not come back."""

from __future__ import annotations

from rich.console import Console

from helm_safe.core.yamlio import dump
from helm_safe.model.options import OPTIONS
from helm_safe.model.outline import expected
from helm_safe.model.plan import Advice, Plan
from helm_safe.report.console import line


def show_plan(out: Console, plan: Plan) -> None:
    line(out, f"Release {plan.release} in {plan.namespace}: revision {plan.current} → {plan.target}", "bold")
    _show_verdict(out, plan)
    line(out, f"Strategy: {plan.strategy}, because {plan.why}")
    chosen = [f"{key}: {OPTIONS[key].written(each['value'])}  ({each['source']})" for key, each in plan.chosen.items()]
    _shown(out, "Settings:", chosen)
    seconds = sum(expected(step) for step in plan.steps)
    steps = [f"{number:>2}. {step.stage.value:<8} {step.title}" for number, step in enumerate(plan.steps, 1)]
    _shown(out, f"Steps (about {_time(seconds)} when all goes well):", steps)
    _shown(out, "Workloads and routes:", [f"- {sentence}" for sentence in plan.notes])
    _shown(out, "What will not come back:", [f"- {sentence}" for sentence in plan.lost])
    if plan.bridge:
        line(out, "The bridge, to review; nobody runs it for you:")
        for text in dump(plan.bridge).splitlines():
            line(out, text)


def _show_verdict(out: Console, plan: Plan) -> None:
    why = f", because {plan.verdict}" if plan.verdict else ""
    forward = plan.settings.get("forward") and plan.advice is Advice.ROLL_BACK
    advice = "go forward" if forward else plan.advice.value
    line(out, f"Advice: {advice}{why}", "bold" if plan.reasons else "")
    _shown(out, "", [f"- {reason}" for reason in plan.reasons])
    _shown(out, "What to do instead:", [f"{number}. {words}" for number, words in enumerate(plan.way, 1)])
    _shown(out, "What would change the answer:", [f"- {words}" for words in plan.unless])


def _shown(out: Console, title: str, sentences: list[str]) -> None:
    if sentences and title:
        line(out, title)
    for sentence in sentences:
        line(out, f"  {sentence}")


def _time(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 100 else f"{seconds:.0f} s"
