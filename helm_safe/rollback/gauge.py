"""A first look at what users get, while the plan is made: proof that the gateway can be read, and how bad it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from helm_safe.model.revisions import Revision
from helm_safe.model.settings import Settings
from helm_safe.model.traffic import Backend, NoData, Sample, Window, window
from helm_safe.rollback.context import World

LEAST_SECONDS = 1.5
PAST = 60.0
"""Seconds that are looked back where the past is kept: two looks in a row would meet the same scrape there."""
ENOUGH = 20  # requests from which on "all of them fail" is no accident


class Gauge:
    """Two samples of the gateway's counters with the reading of the world between them.

    blind: why there are no numbers, "" when there are. windows: by name of the Service.
    """

    def __init__(self, world: World, namespace: str, services: Iterable[str], settings: Settings) -> None:
        self._world = world
        self._backends = [Backend(namespace, name) for name in sorted(set(services))]
        self._provider = world.metrics(settings.resolved) if self._backends else None
        self.blind = ""
        self.windows: dict[str, Window] = {}
        self._before = self._read(PAST) or self._read()

    def close(self) -> None:
        """Take the second sample."""
        if self._before is None:
            return
        waited = self._world.clock.monotonic() - min(sample.at for sample in self._before.values())
        self._world.clock.sleep(max(0.0, LEAST_SECONDS - waited))
        after = self._read() or {}
        newer = {each: sample for each, sample in after.items() if sample.at > self._before[each].at}
        try:
            self.windows = {each.name: window(self._before[each], sample) for each, sample in newer.items()}
        except NoData as missing:
            self.blind = missing.message

    def failing(self, services: Iterable[str]) -> bool:
        """Whether all requests to these Services fail, beyond accident."""
        seen = [self.windows.get(name, Window(0, 0)) for name in services]
        return bool(seen) and all(each.requests >= ENOUGH and each.errors >= 0.99 * each.requests for each in seen)

    def rate(self, services: Iterable[str]) -> float:
        """Requests per second to these Services together."""
        seen = [self.windows[name] for name in services if name in self.windows]
        return sum(each.requests / each.seconds for each in seen if each.seconds > 0)

    @property
    def origin(self) -> str:
        """Whose counters they are, "" where nobody says."""
        return next((sample.origin for sample in (self._before or {}).values()), "")

    def _read(self, ago: float = 0.0) -> Mapping[Backend, Sample] | None:
        if self._provider is None:
            return None
        try:
            found = self._provider.sample(self._backends, ago)
        except NoData as missing:
            self.blind = missing.message
            return None
        self.blind = ""
        return found


def services_of(*revisions: Revision) -> set[str]:
    """Names of the Services that the revisions have."""
    return {ref.name for each in revisions for ref in each.objects if (ref.group, ref.kind) == ("", "Service")}
