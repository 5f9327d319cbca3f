"""What the gateway counted since a step began, and whether these numbers can be believed at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from helm_safe.model.looks import Looks
from helm_safe.model.proportions import improbable
from helm_safe.model.traffic import Backend, NoData, Sample, Window, joined, window
from helm_safe.rollback.context import Run

STILL = 30.0
"""Seconds without a request, while users were there before, after which the counters are taken for dead; twice the
longest gap that was seen, where a monitoring system tells of requests more seldom."""
EXPECTED = 10.0
"""Requests that should have come meanwhile: that none does by chance has a probability of 1 in 22,000."""


class Trial(NamedTuple):
    """One pair at one step: who is judged, and beside whom, "" for nobody."""

    judged: str
    other: str = ""


@dataclass
class Counters:
    """The windows of one step, look by look. share: percent of the requests that the judged Services should get.

    alpha: chance of a wrong stop that one test of one pair may spend. notice: told of what is missing. windows: by
    Service, since the step began; empty while the newest look brought no numbers. doubt: why they must not be passed
    on, "" for none.
    """

    run: Run
    trials: Sequence[Trial]
    share: float
    alpha: float
    notice: Callable[[str], None]
    windows: dict[str, Window] = field(default_factory=dict)
    doubt: str = ""
    _totals: dict[str, Window] = field(default_factory=dict)
    _newest: Mapping[Backend, Sample] | None = None
    _began: float = 0.0
    _grown_at: float = 0.0
    _gap: float = 0.0

    def __post_init__(self) -> None:
        self._looks = {trial: Looks(self.alpha) for trial in self.trials}

    def begin(self) -> None:
        """The first sample; what was counted before it belongs to another step."""
        self._began = self._grown_at = self.run.world.clock.monotonic()
        self._newest = self._since_the_beginning(self._read())

    def look(self) -> None:
        """Add what came since the last look."""
        self.windows, self.doubt = {}, ""
        after = self._read()
        if after is None:
            return
        before = self._newest
        if before is None:
            self._newest = self._since_the_beginning(after)
            return
        if any(sample.at > before[backend].at for backend, sample in after.items()) and not self._add(before, after):
            return
        self.windows = dict(self._totals)
        unfollowed = self._not_followed()
        self.doubt = unfollowed or self._standing_still()
        if unfollowed:
            # Gateways count a request when it ends: one that began before the step would spoil the split for ever.
            self.forget()

    def forget(self) -> None:
        """Count from the newest sample on."""
        self._totals = {}
        for each in self._looks.values():
            each.restart()

    def due(self, trial: Trial, *, last: bool) -> float:
        """What a test of the pair may spend now, see `Looks.due`."""
        return self._looks[trial].due(self._seen(trial.judged), last=last)

    @property
    def actual(self) -> float | None:
        """Percent of the requests of this step that the judged Services really got; None where nobody counted."""
        total = self._requests()
        return 100 * sum(self._seen(each.judged) for each in self.trials) / total if total else None

    def rate(self, trials: Sequence[Trial]) -> float:
        """Requests per second to the Services of these pairs: of this step, else of those that PLAN saw."""
        seen = [self._totals[name] for trial in trials for name in trial if name in self._totals]
        seconds, counted = max((each.seconds for each in seen), default=0.0), sum(each.requests for each in seen)
        planned = float(self.run.plan.settings.get("rate", 0.0)) * len(trials) / max(len(self.trials), 1)
        return counted / seconds if counted and seconds else planned

    def _since_the_beginning(self, found: Mapping[Backend, Sample] | None) -> Mapping[Backend, Sample] | None:
        """The samples, unless they are older than the step: a keeper of metrics may have looked before routes moved."""
        late = found is None or any(sample.at < self._began for sample in found.values())
        return None if late else found

    def _add(self, before: Mapping[Backend, Sample], after: Mapping[Backend, Sample]) -> bool:
        """Whether something could be added; from the newest sample it goes on in any case."""
        self._newest = after
        try:
            parts = {backend.name: window(before[backend], sample) for backend, sample in after.items()}
        except NoData as missing:
            self.notice(missing.message)
            return False
        if any(each.requests for each in parts.values()):
            now = self.run.world.clock.monotonic()
            self._gap, self._grown_at = max(self._gap, now - self._grown_at), now
        for name, part in parts.items():
            self._totals[name] = joined(self._totals[name], part) if name in self._totals else part
        return True

    def _read(self) -> Mapping[Backend, Sample] | None:
        backends = [
            Backend(self.run.release.namespace, name) for trial in self.trials for name in sorted(filter(None, trial))
        ]
        try:
            return self.run.metrics().sample(backends)
        except NoData as missing:
            self.notice(missing.message)
            return None

    def _not_followed(self) -> str:
        """Why the gateway's own counters say that it does not split as the routes do, "" while they fit."""
        for trial in self.trials:
            judged, total = self._seen(trial.judged), round(self._seen(trial.judged) + self._seen(trial.other))
            if trial.other and total and improbable(round(judged), total, self.share / 100):
                return f"{100 * judged / total:.1f} % of {total} requests reached {trial.judged}, not {self.share:g} %"
        return ""

    def _standing_still(self) -> str:
        """A scrape that died looks like no traffic: no data, not zero."""
        quiet = self.run.world.clock.monotonic() - self._grown_at
        rate = self.rate(self.trials)
        if quiet < max(STILL, 2 * self._gap) or quiet * rate < EXPECTED:
            return ""
        came = f"while about {rate:.3g} requests/s came before"
        return f"the gateway's counters stand still for {quiet:.0f} s, {came}: that is no data, not a quiet hour"

    def _requests(self) -> float:
        return sum(self._seen(name) for trial in self.trials for name in trial)

    def _seen(self, name: str) -> float:
        return self.windows[name].requests if name in self.windows else 0.0
