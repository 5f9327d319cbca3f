"""The gate before each step: pods and their logs, requests of real users, metrics of your own, an undisturbed route.

Three-valued: pass, fail, or not yet. No data is never a pass: what stays undecided to the end stops the run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from helm_safe.model.errors import OutcomeUnknown
from helm_safe.model.events import Level
from helm_safe.model.gates import GateState, span_words, worst
from helm_safe.model.health import Health
from helm_safe.model.judging import Floors, Judgement, floors_of, judge
from helm_safe.model.looks import alpha_of
from helm_safe.model.machine import Verdict, committed
from helm_safe.model.plan import Step, judged_share
from helm_safe.model.policy import Resolved
from helm_safe.model.traffic import Window
from helm_safe.rollback.commit import Outcome, failed, passed
from helm_safe.rollback.context import Run
from helm_safe.rollback.counters import Counters, Trial
from helm_safe.rollback.pods import PodWatch
from helm_safe.rollback.queries import Asking, queries_in
from helm_safe.rollback.traffic import look
from helm_safe.rollback.waiting import REMIND, answer, begin_waiting, tell_waiting
from helm_safe.rollback.warmup import wanted_by, warm_up

POLL = 4.0
"""Seconds between two looks: pods, workloads, routes and the gateway's counters cost at most 2 calls a second."""
IDLE = 8.0  # seconds after which nobody is taken to be there: a bake tells what users met, and there are none
SCRAPED = 60.0  # the same where a monitoring system is asked: it knows of requests when it has scraped them
SOONEST = 1 / 3
"""Share of the bake that also a clearly better version stays for: what is good and bad by turns must show it."""
TESTS = 5  # of one pair at one look: the floors of errors and durations, errors beside, slow answers beside in two ways
SILENCE = 20.0  # seconds after which a gate is told of even though its words are the same
ACCEPTED = "GATE-001"  # who accepts it goes without the gateway's numbers


def idle_after(settings: Resolved) -> float:
    """Seconds without a request after which nobody is taken to be there: a system that learns late knows late."""
    if settings.value("metrics.provider") == "scrape":
        return IDLE
    return SCRAPED + (settings.value("metrics.lag") or 0.0)


@dataclass
class Gate:
    """One step's gate. Times are the clock's monotonic seconds; waited is counted from the step's beginning."""

    unseen = "without the gateway's numbers, as accepted"

    run: Run
    step: Step
    pods: PodWatch
    started: bool = False
    promoted: int = 0
    began: float = 0.0
    said: str = ""
    noticed: str = ""
    told_at: float = 0.0
    asked: bool = False
    health: Health = field(default_factory=lambda: Health(Verdict.INCONCLUSIVE, "the pods were not looked at yet"))
    judgements: list[Judgement] = field(default_factory=list)
    metrics: list[GateState] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.trials, asked = tuple(self._trials()), self.asked_of()
        queries = queries_in(self.run.settings.resolved)
        alpha = alpha_of(self._gates(), max(len(asked), 1) * (TESTS + len(queries)))
        self.counters = Counters(self.run, self.trials, self.share, alpha, self._notice)
        self.asking = Asking(self.run, asked, alpha, self.alone, self._kept("readings"))

    @property
    def share(self) -> float:
        """Percent of the traffic that the judged Services have at this step."""
        return judged_share(self.step.args)

    @property
    def bake(self) -> float:
        return float(self.step.args["bake"])

    @property
    def timeout(self) -> float:
        return float(self.run.plan.settings["timeout"])

    @property
    def waited(self) -> float:
        return self.run.world.clock.monotonic() - self.began

    @property
    def blind(self) -> bool:
        """Whether the user goes without the gateway's numbers."""
        return bool(self.run.plan.settings["blind"])

    @property
    def actual(self) -> float | None:
        """Percent of the traffic that the judged pods really have, None where nobody knows."""
        return self.counters.actual

    @property
    def alone(self) -> bool:
        """Whether the judged Services have nobody beside them to compare with but the step before."""
        return self.share == 100

    def asked_of(self) -> tuple[Trial, ...]:
        """For whom the user's own metrics are asked."""
        return tuple(self._trials())

    def hold(self) -> Outcome:
        """Look until it is decided. Raises Turn, Interrupted and LostLease where a wait may be left."""
        self._start()
        while True:
            self.run.world.clock.sleep(POLL)
            self.run.safe_point(f"at the step {self.step.title!r}; traffic stays where it is")
            look(self.run, [float(self.step.args["share"])])
            self._look()
            if self._enough():
                self.health = self.pods.anew()
                self._judge(last=True)
            decided = self._decide()
            if decided:
                return {**decided, **self._data()}
            self._tell()

    def _start(self) -> None:
        self.started, self.promoted, self.began = True, self._promotions(), self.run.world.clock.monotonic()
        if not self.blind:
            self.counters.begin()
        self.asking.begin()

    def bad_sign(self) -> Outcome | None:
        """One look from outside a step: what the gate would stop the run for, None while nothing speaks against it."""
        if not self.started:
            self._start()
        look(self.run, [float(self.step.args["share"])])
        self._look()
        return self._failed() if self._verdict() is Verdict.FAIL else None

    def look_anew(self) -> None:
        """Judge requests from now on only."""
        self.counters.forget()

    def _look(self) -> None:
        """What every gate says now. What would pass is tested once more by `hold`, with all that is known."""
        self.health = self.pods.look()
        if not self.blind:
            self.counters.look()
            self.noticed = "" if self.counters.windows else self.noticed
        self._judge(last=False)

    def _judge(self, *, last: bool) -> None:
        self.judgements = [] if self.blind else [self._judgement(trial, last=last) for trial in self.trials]
        self.metrics = self.asking.look(last=last)

    def _judgement(self, trial: Trial, *, last: bool) -> Judgement:
        floors: Floors = floors_of(self.run.settings.resolved)
        windows = self.counters.windows
        judged, beside = windows.get(trial.judged), windows.get(trial.other) if self.share < 100 else None
        baseline = self._baseline(trial.judged) if beside is None else None
        earlier = self._earlier(trial.judged) if beside is None else None
        name = "the current version" if self.step.args["trial"] == "canary" else f"Service/{trial.other}"
        alpha = self.counters.due(trial, last=last)
        return judge(judged, beside, floors, baseline=baseline, earlier=earlier, beside=name, alpha=alpha)

    def _decide(self) -> Outcome | None:
        if self._verdict() is Verdict.FAIL:
            return self._failed()
        if self._promotions() > self.promoted:
            return self._passed(f"{self._words()}; promoted by a person")
        by = answer(self.run, self.step)
        if by:
            return self._passed(f"{self._words()}; approved by {by}")
        if self._enough():
            return self._passed(self._words())
        decided = self._without_users() if self._starved() else None
        over = self.waited > self.timeout and not self.asked
        return decided or (self._undecided() if over else None)

    def _verdict(self) -> Verdict:
        """Of all gates together; numbers that cannot be believed pass nobody."""
        found: list[Health | Judgement | GateState] = [self.health, *self.judgements, *self.metrics]
        verdict = worst(each.verdict for each in found)
        return Verdict.INCONCLUSIVE if verdict is Verdict.PASS and self.counters.doubt else verdict

    def _enough(self) -> bool:
        """Whether all is good for long enough; clearly better than the other is good enough sooner."""
        if self._verdict() is not Verdict.PASS:
            return False
        better = bool(self.judgements) and all(each.better for each in self.judgements)
        return self.waited >= self.bake * (SOONEST if better else 1)

    def _starved(self) -> bool:
        """Whether users send too few requests for a decision in time, and nothing else stands open."""
        nobody = self.counters.actual is None
        patience = min(self.bake, idle_after(self.run.settings.resolved)) if nobody else self.bake
        open_ = [each for each in self.judgements if each.verdict is not Verdict.PASS]
        if self.waited < patience or self.health.verdict is not Verdict.PASS or self.counters.doubt or not open_:
            return False
        others = all(each.verdict is Verdict.PASS for each in self.metrics)
        left = self.timeout - self.waited
        return others and all(each.lacking for each in open_) and any(each > left for each in self._needed())

    def _needed(self) -> Iterator[float]:
        """Seconds until each pair has the minimum of requests, as users come now."""
        for trial, each in zip(self.trials, self.judgements, strict=False):
            yield each.lacking / max(self.counters.rate([trial]) * self.share / 100, 1e-9)

    def _without_users(self) -> Outcome | None:
        """What `gates.no-traffic` says: requests of our own decide, or a person, or the run stops; None to wait."""
        chosen = self.run.settings.resolved.value("gates.no-traffic")
        words = f"{self._words()}, and users send too few to get there in time"
        if chosen == "stop":
            return failed(f"at {self.share:g} %: {words} (gates.no-traffic)")
        if chosen == "ask":
            self._ask(words)
        if chosen in ("wait", "ask"):
            return None
        wanted = wanted_by(self.run.settings.resolved)
        own = warm_up(self.run.world.cluster, self.run.world.clock, self.pods.pods(), wanted, self.run.stop_wanted)
        if own.verdict is Verdict.FAIL:
            return failed(f"at {self.share:g} %: {own.sentence}")
        return self._passed(f"{words}; {own.sentence}") if own.verdict is Verdict.PASS else None

    def _ask(self, words: str) -> None:
        """A person decides, however long it takes: said once, and the gates are still looked at."""
        if self.asked:
            return
        self.asked = True
        before = f"the gate at {self.share:g} % is passed without enough requests"
        facts = begin_waiting(self.run, self.step, before, None)
        name = f"{self.run.release.name} -n {self.run.release.namespace}"
        told = f"a person decides (gates.no-traffic: ask): `helm safe-rollback promote {name}` goes on, `abort` stops"
        waits = f"until then {self.share:g} % of the users stay here, and the gates are watched"
        tell_waiting(self.run, self.step, facts, f"{words}; {told}; {waits}")

    def _baseline(self, judged: str) -> Window | None:
        """The newest window of the same Service in an earlier step, else of the one that it was compared with."""
        kept = self._kept("windows")
        return Window.from_json(kept.get(judged) or next(iter(kept.values()))) if kept else None

    def _earlier(self, judged: str) -> Window | None:
        """How the current version fared beside it in the last step in which it had users."""
        kept = self._kept("others") if self.step.args["trial"] == "canary" else {}
        return Window.from_json(kept[judged]) if judged in kept else None

    def _kept(self, what: str) -> dict[str, Any]:
        """What the newest step that has some left for those after it."""
        done = reversed(list(self.run.progress.done.values()))
        return next((dict(outcome[what]) for outcome in done if outcome.get(what)), {})

    def _tell(self) -> None:
        words, now = self._words(), self.run.world.clock.monotonic()
        if words == self.said and now - self.told_at < (REMIND if self.asked else SILENCE):
            return
        self.said, self.told_at, data = words, now, self._data()
        left = f", {'about ' + span_words(data['eta']) + ' to go' if data['eta'] is not None else 'no end in sight'}"
        self.run.tell(self.step.stage, f"{words} ({self.waited:.0f} s so far{left})", **data)

    def _words(self) -> str:
        actual = self.actual
        split = f"{self.share:g} % wanted" + (f", {actual:.1f} % actual" if actual is not None else "")
        told = [each.sentence for each in self.judgements] or [self.unseen]
        told += [each.sentence for each in self.metrics]
        without = self.run.plan.settings.get("unanswered", [])
        told += [f"without {', '.join(without)}, as accepted"] if without else []
        return "; ".join([split, *([self.counters.doubt] if self.counters.doubt else []), *told])

    def _data(self) -> dict[str, Any]:
        """The gates for screens and machines; seconds are counted from the beginning of the step."""
        gates = [*self._traffic_gates(), *self.metrics, self._pods_gate()]
        return {
            "kind": "gate",
            "step": self.step.id,
            "share": float(self.step.args["share"]),
            "wanted": self.share,
            "actual": self.actual,
            "waited": self.waited,
            "bake": self.bake,
            "deadline": self.timeout,
            "eta": self._eta(gates),
            "gates": [each.to_json() for each in gates],
        }

    def _traffic_gates(self) -> Iterator[GateState]:
        for trial, judgement in zip(self.trials, self.judgements, strict=False):
            for each in judgement.gates:
                yield each if len(self.trials) < 2 else each._replace(name=f"{each.name} ({trial.judged})")

    def _pods_gate(self) -> GateState:
        eta = 0.0 if self.health.verdict is Verdict.PASS else None
        return GateState("pods", self.health.verdict, self.health.message, eta=eta)

    def _eta(self, gates: list[GateState]) -> float | None:
        """Seconds until this step can be decided, None where nobody knows."""
        known = [each.eta if each.eta is not None else math.inf for each in gates]
        longest = max([*known, self.bake - self.waited, 0.0])
        return longest if math.isfinite(longest) else None

    def _passed(self, words: str) -> Outcome:
        windows = {name: each for name, each in self.counters.windows.items() if each.requests}
        kept = {trial.judged: windows[trial.judged].to_json() for trial in self.trials if trial.judged in windows}
        others = {trial.judged: windows[trial.other].to_json() for trial in self.trials if trial.other in windows}
        told = f"{words}, after {self.waited:.0f} s"
        return passed(told, windows=kept, others=others, readings=self.asking.kept())

    def _failed(self) -> Outcome:
        """The first gate that fails, in words; and whether it tells that a rollback does not help."""
        found: list[Judgement | GateState] = [*self.judgements, *self.metrics]
        bad = next((each for each in found if each.verdict is Verdict.FAIL), None)
        reason = bad.sentence if bad else self.health.message
        outcome = failed(f"at {self.share:g} %: {reason}", both_bad=isinstance(bad, Judgement) and bad.both_bad)
        no_help = bad.no_help if isinstance(bad, Judgement) else bad.sentence if bad and bad.worse else ""
        beside = self.step.args["trial"] == "canary"
        return {**outcome, "no_help": f"at {self.share:g} % of the users {no_help}"} if no_help and beside else outcome

    def _undecided(self) -> Outcome:
        words = f"no decision at {self.share:g} % within the time given: {self._words()}"
        if committed(self.run.progress):
            raise OutcomeUnknown(words, f"Users are safe where they are; `resume {self.run.release.name}` looks again.")
        return failed(f"{words}; no data is never a pass")

    def _notice(self, words: str) -> None:
        if words != self.noticed:
            self.noticed = words
            self.run.tell(self.step.stage, f"no numbers from the gateway: {words}", Level.WARNING)

    def _promotions(self) -> int:
        return list(self.run.lock.requests()).count("promote")

    def _gates(self) -> int:
        """Steps of the plan that have a gate."""
        return sum(each.action == self.step.action for each in self.run.plan.steps)

    def _trials(self) -> Iterator[Trial]:
        for pair in self.run.plan.traffic.pairs if self.run.plan.traffic else ():
            yield Trial(pair.canary, pair.stable) if self.step.args["trial"] == "canary" else Trial(*pair)
