"""A plan as people read it: what will happen, why, and what will not come back."""

from __future__ import annotations

from rich.console import Console

from helm_safe.model.options import OPTIONS
from helm_safe.model.plan import Plan
from helm_safe.report.console import line


def show_plan(out: Console, plan: Plan) -> None:
    line(out, f"Release {plan.release} in {plan.namespace}: revision {plan.current} → {plan.target}", "bold")
    line(out, f"Advice: {plan.advice.value}" + (f" ({'; '.join(plan.reasons)})" if plan.reasons else ""))
    line(out, f"Strategy: {plan.strategy}, because {plan.why}")
    if plan.chosen:
        line(out, "Settings:")
    for key, each in plan.chosen.items():
        line(out, f"  {key}: {OPTIONS[key].written(each['value'])}  ({each['source']})")
    line(out, "Steps:")
    for number, step in enumerate(plan.steps, 1):
        line(out, f"  {number:>2}. {step.stage.value:<8} {step.title}")
    if plan.notes:
        line(out, "Workloads and routes:")
        for sentence in plan.notes:
            line(out, f"  - {sentence}")
    if plan.lost:
        line(out, "What will not come back:")
        for sentence in plan.lost:
            line(out, f"  - {sentence}")
