"""Where a plan waits for a person: behind steps that `pause-at` names, and before the native rollback."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from helm_safe.model.errors import UsageError
from helm_safe.model.options import OPTIONS
from helm_safe.model.plan import Stage, Step
from helm_safe.model.settings import Settings

At = Sequence[float | str]


def verify_pauses(settings: Settings) -> None:
    """Raise UsageError for a pause that is no step of the run; it names the steps, and who chose both."""
    wanted, steps = (settings.resolved.settings[key] for key in ("pause-at", "steps"))
    odd = [each for each in pauses(settings) if not isinstance(each, str) and each not in steps.value]
    if odd:
        raise UsageError(
            f"{wanted.source}: {OPTIONS['pause-at'].written(odd)} is no step of this run; "
            f"the steps are {OPTIONS['steps'].written(steps.value)} ({steps.source})",
            "Pause at some of these or at commit: --pause-at overrules policy and chart, and `--pause-at none` goes "
            "through.",
        )


def pauses(settings: Settings) -> At:
    """Percentages, and the word commit."""
    return settings.resolved.value("pause-at") or ()


def pause(settings: Settings, at: At, before: str, stage: Stage, after: str = "") -> Iterator[Step]:
    """The step that waits, where the settings name one of `at`.

    It is named after the last of `at`. before: what waits, a clause for people. after: the step whose gate goes on
    watching meanwhile.
    """
    if set(at) & set(pauses(settings)):
        args = {"before": before, "after": after}
        yield Step(f"approve {at[-1]}", stage, "approve", f"wait for approval before {before}", args)
