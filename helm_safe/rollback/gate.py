"""The gate before each step: pods, their logs, the requests of real users, and nobody else at the routes.

Three-valued: pass, fail, or not yet. No data is never a pass: what stays undecided to the end stops the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from helm_safe.model.errors import OutcomeUnknown
from helm_safe.model.events import Level
from helm_safe.model.health import Health
from helm_safe.model.judging import Floors, Judgement, floors_of, judge
from helm_safe.model.machine import Verdict, committed
from helm_safe.model.plan import Step
from helm_safe.model.proportions import improbable
from helm_safe.model.routes import Backends
from helm_safe.model.traffic import Backend, NoData, Sample, Window, window
from helm_safe.rollback.commit import Outcome, failed, passed
from helm_safe.rollback.context import Run
from helm_safe.rollback.pods import PodWatch
from helm_safe.rollback.traffic import look
from helm_safe.rollback.warmup import wanted_by, warm_up

POLL = 4.0
"""Seconds between two looks: pods, workloads, routes and the gateway's counters cost at most 2 calls a second."""
IDLE = 8.0  # seconds after which nobody is taken to be there: a bake tells what users met, and there are none
ACCEPTED = "GATE-001"  # who accepts it goes without the gateway's numbers

Windows = Mapping[str, Window]


class Trial(NamedTuple):
    """One pair at one step: who is judged, and beside whom."""

    judged: str
    other: str


@dataclass
class Gate:
    """One step's gate. Times are the clock's monotonic seconds."""

    run: Run
    step: Step
    pods: PodWatch
    began: float = 0.0
    before: Mapping[Backend, Sample] | None = None
    newest: Mapping[Backend, Sample] | None = None
    promoted: int = 0
    said: str = ""
    unseen: str = ""
    windows: dict[str, Window] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Percent of the traffic that the judged Services have at this step."""
        share = float(self.step.args["share"])
        return share if self.step.args["trial"] == "canary" else 100 - share

    def trials(self) -> Iterator[Trial]:
        for pair in self._pairs():
            yield Trial(pair.canary, pair.stable) if self.step.args["trial"] == "canary" else Trial(*pair)

    def hold(self) -> Outcome:
        """Look until it is decided. Raises Turn, Interrupted and LostLease where a wait may be left."""
        clock, bake = self.run.world.clock, float(self.step.args["bake"])
        self.promoted = self._promotions()
        began = self.began = clock.monotonic()
        deadline = began + float(self.run.plan.settings["timeout"])
        self._sample()
        while True:
            clock.sleep(POLL)
            self.run.safe_point(f"at the step {self.step.title!r}; traffic stays where it is")
            look(self.run, [float(self.step.args["share"])])
            health, judgements = self.pods.look(), self._judge()
            bad = next((each for each in judgements if each.verdict is Verdict.FAIL), None)
            if bad or health.verdict is Verdict.FAIL:
                return self._failed(bad, health)
            waited = clock.monotonic() - began
            if self._promotions() > self.promoted:
                return self._passed(f"{self._words(judgements)}; promoted by a person", waited)
            if self._enough(health, judgements, waited >= bake):
                return self._passed(self._words(judgements), waited)
            patience = bake if self.actual() is not None else min(bake, IDLE)
            if waited >= patience and health.verdict is Verdict.PASS and self._starved(judgements, deadline):
                decided = self._without_users(judgements, waited)
                if decided:
                    return decided
            self._tell(judgements, waited, bake)
            if clock.monotonic() > deadline:
                return self._undecided(judgements)

    def _enough(self, health: Health, judgements: list[Judgement], baked: bool) -> bool:
        good = health.verdict is Verdict.PASS and not self.unseen
        passed_all = all(each.verdict is Verdict.PASS for each in judgements)
        return good and passed_all and (baked or (bool(judgements) and all(each.better for each in judgements)))

    def _starved(self, judgements: list[Judgement], deadline: float) -> bool:
        """Whether users send too few requests for a decision in time, and nothing else stands open."""
        left = deadline - self.run.world.clock.monotonic()
        needed = [each.lacking / self._rate(trial) for each, trial in zip(judgements, self.trials(), strict=False)]
        open_ = [each for each in judgements if each.verdict is not Verdict.PASS]
        return bool(open_) and all(each.lacking for each in open_) and max(needed) > left

    def _rate(self, trial: Trial) -> float:
        """Requests per second that the judged Service can hope for; next to nothing where none came."""
        seen = [self.windows[name] for name in trial if name in self.windows]
        total = sum(each.requests for each in seen) * self.share / 100
        return max(total / max((each.seconds for each in seen), default=1.0), 1e-9)

    def _without_users(self, judgements: list[Judgement], waited: float) -> Outcome | None:
        """What `gates.no-traffic` says: requests of our own decide, or the run stops; None to wait on."""
        chosen = self.run.settings.resolved.value("gates.no-traffic")
        words = f"{self._words(judgements)}, and users send too few to get there in time"
        if chosen == "stop":
            return failed(f"at {self.share:g} %: {words} (gates.no-traffic)")
        if chosen == "wait":
            return None
        wanted = wanted_by(self.run.settings.resolved)
        own = warm_up(self.run.world.cluster, self.run.world.clock, self.pods.pods(), wanted, self.run.stop_wanted)
        if own.verdict is Verdict.FAIL:
            return failed(f"at {self.share:g} %: {own.sentence}")
        return self._passed(f"{words}; {own.sentence}", waited) if own.verdict is Verdict.PASS else None

    def _judge(self) -> list[Judgement]:
        """One judgement per pair; none where the user goes without the gateway's numbers."""
        if self.run.plan.settings["blind"]:
            return []
        self.windows = self._windows()
        floors: Floors = floors_of(self.run.settings.resolved)
        found = []
        for trial in self.trials():
            beside = self.windows.get(trial.other) if self.share < 100 else None
            baseline = self._baseline(trial.judged) if beside is None else None
            name = "the current version" if self.step.args["trial"] == "canary" else f"Service/{trial.other}"
            found.append(judge(self.windows.get(trial.judged), beside, floors, baseline=baseline, beside=name))
        self.unseen = self._not_followed()
        if self.unseen:
            # Gateways count a request when it ends: one that began before the step would spoil the split for ever.
            self.before = self.newest
        return found

    def _windows(self) -> dict[str, Window]:
        after = self._read()
        self.newest = after or self.newest
        if after is None or self.before is None:
            self.before = self.before or self._since_the_beginning(after)
            return {}
        try:
            return {backend.name: window(self.before[backend], sample) for backend, sample in after.items()}
        except NoData as missing:
            self._notice(missing.message)
            return {}

    def _sample(self) -> None:
        if not self.run.plan.settings["blind"]:
            self.before = self._since_the_beginning(self._read())

    def _since_the_beginning(self, found: Mapping[Backend, Sample] | None) -> Mapping[Backend, Sample] | None:
        """The samples, unless they are older than the step: a Prometheus may have looked before the routes moved."""
        late = found is None or any(sample.at < self.began for sample in found.values())
        return None if late else found

    def _read(self) -> Mapping[Backend, Sample] | None:
        namespace = self.run.release.namespace
        backends = [Backend(namespace, name) for pair in self._pairs() for name in pair]
        try:
            return self.run.metrics().sample(backends)
        except NoData as missing:
            self._notice(missing.message)
            return None

    def _not_followed(self) -> str:
        """Why the gateway's own counters say that it does not split as the routes do, "" while they fit."""
        for trial in self.trials():
            judged, other = (self.windows.get(name, Window(0, 0)).requests for name in trial)
            total = round(judged + other)
            if total and improbable(round(judged), total, self.share / 100):
                return f"{100 * judged / total:.1f} % of {total} requests reached {trial.judged}, not {self.share:g} %"
        return ""

    def _baseline(self, judged: str) -> Window | None:
        """The newest window of the same Service in an earlier step, else of the one that it was compared with."""
        for outcome in reversed(list(self.run.progress.done.values())):
            kept = outcome.get("windows", {})
            if kept:
                return Window.from_json(kept.get(judged) or next(iter(kept.values())))
        return None

    def _tell(self, judgements: list[Judgement], waited: float, bake: float) -> None:
        words = self._words(judgements)
        if words != self.said:
            self.said = words
            text = f"{words} ({waited:.0f} s so far)"
            self.run.tell(self.step.stage, text, wanted=self.share, actual=self.actual(), waited=waited, bake=bake)

    def _words(self, judgements: list[Judgement]) -> str:
        actual = self.actual()
        split = f"{self.share:g} % wanted" + (f", {actual:.1f} % actual" if actual is not None else "")
        told = [each.sentence for each in judgements] or ["without the gateway's numbers, as accepted"]
        return "; ".join([split, *([self.unseen] if self.unseen else []), *told])

    def actual(self) -> float | None:
        """Percent of the requests of this step that the judged Services really got; None where nobody counted."""
        counts = [[self.windows.get(name, Window(0, 0)).requests for name in trial] for trial in self.trials()]
        total = sum(map(sum, counts))
        return 100 * sum(judged for judged, _ in counts) / total if total else None

    def _passed(self, words: str, waited: float) -> Outcome:
        kept = {trial.judged: self.windows[trial.judged].to_json() for trial in self.trials() if self._seen(trial)}
        return passed(
            f"{words}, after {waited:.0f} s", wanted=self.share, actual=self.actual(), waited=waited, windows=kept
        )

    def _seen(self, trial: Trial) -> bool:
        return trial.judged in self.windows and self.windows[trial.judged].requests > 0

    def _failed(self, bad: Judgement | None, health: Health) -> Outcome:
        reason = bad.sentence if bad else health.message
        return failed(f"at {self.share:g} %: {reason}", both_bad=bool(bad and bad.both_bad), actual=self.actual())

    def _undecided(self, judgements: list[Judgement]) -> Outcome:
        words = f"no decision at {self.share:g} % within the time given: {self._words(judgements)}"
        if committed(self.run.progress):
            raise OutcomeUnknown(words, f"Users are safe where they are; `resume {self.run.release.name}` looks again.")
        return failed(f"{words}; no data is never a pass")

    def _notice(self, words: str) -> None:
        if words != self.said:
            self.said = words
            self.run.tell(self.step.stage, f"no numbers from the gateway: {words}", Level.WARNING)

    def _promotions(self) -> int:
        return list(self.run.lock.requests()).count("promote")

    def _pairs(self) -> tuple[Backends, ...]:
        return self.run.plan.traffic.pairs if self.run.plan.traffic else ()
