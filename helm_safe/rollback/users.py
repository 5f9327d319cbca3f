"""WATCH where no share of users was moved: what they get from the restored pods, by the gateway's own counters."""

from __future__ import annotations

from collections.abc import Sequence

from helm_safe.model.errors import OutcomeUnknown
from helm_safe.model.events import Level
from helm_safe.model.gates import worst
from helm_safe.model.judging import Judgement, floors_of, judge
from helm_safe.model.looks import alpha_of
from helm_safe.model.machine import Verdict
from helm_safe.model.plan import Step
from helm_safe.rollback.commit import Outcome, failed, passed
from helm_safe.rollback.context import Run
from helm_safe.rollback.counters import Counters, Trial
from helm_safe.rollback.gate import POLL, idle_after
from helm_safe.rollback.watch import watches_on

FLOORS = 2  # tests at one look: errors and durations


def users(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - reads only
    """The floors must hold for the requests of users once the bake is over; until then pods may be cold.

    Where too few requests come to tell, that is said and stops nothing: rollout, logs and requests of our own have been
    judged before. Raises OutcomeUnknown where it cannot be decided in time.
    """
    watch, clock = _Users(run, step), run.world.clock
    began = clock.monotonic()
    watch.counters.begin()
    while True:
        clock.sleep(POLL)
        run.safe_point("while watching what users get from the restored pods; the release is at the restored revision")
        decided = watch.decide(clock.monotonic() - began)
        if decided:
            return decided


class _Users:
    """The requests that reached each of the release's own Services."""

    def __init__(self, run: Run, step: Step) -> None:
        self._run = run
        self._step = step
        self._cold = False
        self._trials = [Trial(name) for name in step.args["services"]]
        alpha = alpha_of(1, len(self._trials) * FLOORS)
        self.counters = Counters(run, self._trials, 100, alpha, self._notice)

    def decide(self, waited: float) -> Outcome | None:
        """The outcome after one more look, None to go on. waited: seconds since the first one."""
        over = waited >= float(self._step.args["bake"])
        self.counters.look()
        found = [self._judgement(trial, last=over) for trial in self._trials]
        verdict, words = worst(each.verdict for each in found), "; ".join(each.sentence for each in found)
        if verdict is Verdict.FAIL:
            if over:
                return failed(f"the restored pods are up, and still {words}")
            self._begin_anew(words)
        if verdict is Verdict.PASS:
            return passed(f"users get good answers: {words}")
        if waited >= idle_after(self._run.settings.resolved) and self._nobody(found):
            self._tell(f"not judged by what users get: {words}")
            return passed(f"too few users to judge by: {words}")
        if waited > float(self._run.plan.settings["timeout"]):
            raise OutcomeUnknown(f"what users get from the restored pods stays open: {words}", watches_on(self._run))
        return None

    def _judgement(self, trial: Trial, *, last: bool) -> Judgement:
        seen = self.counters.windows.get(trial.judged)
        floors = floors_of(self._run.settings.resolved)
        return judge(seen, None, floors, alpha=self.counters.due(trial, last=last))

    def _nobody(self, found: Sequence[Judgement]) -> bool:
        """Whether nothing bad is known, and too little to be good; numbers that stopped coming are no numbers."""
        return not self.counters.windows or all(each.lacking for each in found if each.verdict is not Verdict.PASS)

    def _begin_anew(self, words: str) -> None:
        if not self._cold:
            self._cold = True
            self._tell(f"users still meet trouble: {words}; the restored pods have the time of the bake to get warm")
        self.counters.forget()

    def _notice(self, words: str) -> None:
        self._tell(f"no numbers from the gateway: {words}")

    def _tell(self, words: str) -> None:
        self._run.tell(self._step.stage, words, Level.WARNING)
