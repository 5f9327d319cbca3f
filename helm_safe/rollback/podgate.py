"""The gate of steps at which no route counts requests: pods and logs, metrics of your own, requests of our own.

No data is no pass here either: pods that cannot be seen pass nobody, and that users' requests are unseen is said.
"""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.model.machine import Verdict
from helm_safe.model.plan import Step
from helm_safe.rollback.commit import Outcome
from helm_safe.rollback.context import Run
from helm_safe.rollback.counters import Trial
from helm_safe.rollback.gate import Gate
from helm_safe.rollback.joining import actual
from helm_safe.rollback.shift import judged_pods
from helm_safe.rollback.standby import warm


class PodGate(Gate):
    """A Gate without a gateway."""

    unseen = "no route counts requests here, so pods, logs and requests of our own decide"

    @property
    def blind(self) -> bool:
        return True

    @property
    def actual(self) -> float | None:
        return actual(self.run, self.step) if self.step.action == "ratio" else None

    @property
    def alone(self) -> bool:
        return True  # one Service has both versions' pods

    def asked_of(self) -> tuple[Trial, ...]:
        return tuple(Trial(name) for name in self.step.args["services"])

    def _trials(self) -> Iterator[Trial]:
        return iter(())


def judged(run: Run, step: Step) -> Outcome:
    """The gate of a step without a gateway: its pods and logs, then requests of our own to them."""
    pods = judged_pods(run, step)
    decided = PodGate(run, step, pods).hold()
    own = warm(run, step, pods) if decided["verdict"] == Verdict.PASS.value else decided
    passes = own["verdict"] == Verdict.PASS.value
    return {**decided, "message": f"{decided['message']}; {own['message']}"} if passes else {**decided, **own}


def gate_of(run: Run, step: Step) -> Gate:
    """The gate of a step that has one."""
    return (Gate if step.action == "weights" else PodGate)(run, step, judged_pods(run, step))
