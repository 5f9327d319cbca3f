"""All that a plan is made of."""

from __future__ import annotations

from dataclasses import dataclass

from helm_safe.model.settings import Settings
from helm_safe.model.snapshot import Snapshot
from helm_safe.rollback.discovery import KnownGood, Routed


@dataclass(frozen=True)
class Scene:
    """All that a plan is made of. down: why the current revision serves nobody, "" when it does. rate: requests per
    second that users send. good: the backend that all could go to. where: routes by Service.
    """

    snapshot: Snapshot
    settings: Settings
    where: Routed
    good: KnownGood | None = None
    down: str = ""
    rate: float = 0.0
    isolated: bool = False

    @property
    def workloads(self) -> list[str]:
        """The staged workloads, "Deployment/api"."""
        return [str(each.workload) for each in self.snapshot.staging.staged]

    @property
    def replicas(self) -> dict[str, int]:
        """The captured count of each staged workload."""
        return {str(each.workload): each.replicas for each in self.snapshot.staging.staged}
