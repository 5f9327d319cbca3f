"""What a run carries through its stages: the ports, the plan, the journal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from helm_safe.model.errors import Interrupted
from helm_safe.model.events import Event, Level
from helm_safe.model.plan import Plan, Stage
from helm_safe.model.records import Kind, Progress, Record, fold
from helm_safe.model.revisions import Release
from helm_safe.model.settings import Settings
from helm_safe.ports import Clock, Cluster, JournalStore, Lock, Releases, Reporter

Item = TypeVar("Item")
Answer = TypeVar("Answer")
WORKERS = 8


@dataclass(frozen=True, slots=True)
class World:
    """The adapters that a command was wired with. evidence: where autopsies are saved."""

    cluster: Cluster
    releases: Releases
    clock: Clock
    reporter: Reporter
    evidence: Path

    def fenced(self, lock: Lock) -> World:
        """The same world for the run that holds `lock`: without it no write is sent and no helm is started."""
        return replace(self, cluster=self.cluster.fenced(lock.check), releases=self.releases.fenced(lock.check))


@dataclass(slots=True)
class Run:
    """One run: every write is announced in the journal first."""

    world: World
    release: Release
    plan: Plan
    settings: Settings
    journal: JournalStore
    lock: Lock
    progress: Progress = field(default_factory=Progress)
    signals: list[int] = field(default_factory=list)
    parent: int = field(default_factory=os.getppid)

    def stop_wanted(self) -> bool:
        """Whether a signal came, or the helm that started us is gone: it dies by signals, its plugin does not."""
        return bool(self.signals) or (bool(os.environ.get("HELM_PLUGIN_NAME")) and os.getppid() != self.parent)

    def stop_here(self, where: str) -> None:
        """Raise Interrupted when a stop is wanted; call it only where nothing is half done."""
        if self.stop_wanted():
            raise Interrupted(
                f"stopped {where}",
                f"Go on with `helm safe-rollback resume {self.release.name} -n {self.release.namespace}`, "
                "or put things back with `abort`.",
            )

    def record(self, kind: Kind, stage: Stage, step: str = "", data: dict[str, Any] | None = None) -> None:
        """Append to the journal and fold the record into `progress`. Raises LostLease when fenced off."""
        record = Record(self.world.cluster.now(), kind, stage.value, step, data or {})
        self.journal.append(record)
        self.progress = fold([record], self.progress)

    def captured(self, step: str) -> dict[str, Any]:
        """An original that was journaled; empty when there is none."""
        found = self.progress.captured.get(step)
        return found if isinstance(found, dict) else {}

    def tell(self, stage: Stage, message: str, level: Level = Level.INFO, **data: Any) -> None:
        self.world.reporter.event(Event(self.world.clock.now(), stage.value, level, message, data))


def in_parallel(call: Callable[[Item], Answer], items: Iterable[Item]) -> list[Answer]:
    """`call` on every item, at most WORKERS at once, answers in the order of the items; the first error is raised."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(call, items))
