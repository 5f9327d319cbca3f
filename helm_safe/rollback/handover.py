"""What a run that stops needs from whom, in plain words."""

from __future__ import annotations

from helm_safe.model.incident import State
from helm_safe.model.machine import committed
from helm_safe.rollback.context import Run


def needed(run: Run, state: State) -> str:
    """A sentence that begins with who is asked; "" where nobody is."""
    name = f"{run.release.name} -n {run.release.namespace}"
    goes_on, puts_back = f"`helm safe-rollback resume {name}`", f"`helm safe-rollback abort {name}`"
    if state is State.FAILED and not committed(run.progress):
        return f"whoever is on call: mend what the reason names, then {puts_back} puts the rest back"
    return {
        State.ISOLATED: f"whoever is on call: revision {run.plan.current} is still deployed; "
        f"`helm safe-rollback plan {name}` shows what a rollback would do",
        State.ABORTED: f"whoever is on call: revision {run.plan.current} is still deployed; look at the reason, and "
        "decide whether to roll back or to roll forward",
        State.BLOCKED: "whoever started it: mend what the findings name",
        State.FAILED: "whoever is on call: the release was changed already; mend what the reason names, "
        f"then {goes_on} tries the rest again",
        State.STUCK: f"whoever is on call: mend what the reason names, then {goes_on} goes on, or {puts_back} puts "
        "things back",
        State.INTERRUPTED: f"whoever stopped it: {goes_on} goes on, {puts_back} puts things back",
    }.get(state, "")
