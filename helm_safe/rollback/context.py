"""What a run carries through its stages: the ports, the plan, the journal."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from helm_safe.model.errors import Interrupted
from helm_safe.model.events import Event, Level
from helm_safe.model.incident import Notifier
from helm_safe.model.logbook import LogBook
from helm_safe.model.machine import safe_place, safe_share, stopping
from helm_safe.model.plan import Plan, Stage
from helm_safe.model.policy import Resolved
from helm_safe.model.queries import Query
from helm_safe.model.records import Kind, Progress, Record, fold
from helm_safe.model.revisions import Release
from helm_safe.model.settings import Settings
from helm_safe.model.snapshot import Resource, Served
from helm_safe.ports import (
    Clock,
    Cluster,
    Following,
    JournalStore,
    Keep,
    Lock,
    MetricProvider,
    QueryProvider,
    Releases,
    Reporter,
)

Item = TypeVar("Item")
Answer = TypeVar("Answer")
WORKERS = 8


Answering = Callable[[Query], QueryProvider]
"""Opens the provider that a query names. Raises UsageError for one that cannot be had."""


Notifiers = Callable[[Settings, str, Callable[[str], None]], Mapping[str, Callable[[], Notifier]]]
"""By name, what opens each notifier of the settings for a run in the namespace, which may take time and raise
HelmSafeError. The last argument shows what would be sent, or goes to stdout.
"""


def nobody(_settings: Settings, _namespace: str, _show: Callable[[str], None]) -> Mapping[str, Callable[[], Notifier]]:
    """No notifiers."""
    return {}


class Turn(Exception):
    """Another process asked for something; the runner decides what is next."""


@dataclass(frozen=True, slots=True)
class World:
    """The adapters that a command was wired with.

    evidence: where autopsies are saved. metrics: opens the provider that settings choose; nothing is asked of it yet.
    queries: opens those that answer the user's own metrics. notifiers: those who are told of a run.
    """

    cluster: Cluster
    releases: Releases
    clock: Clock
    reporter: Reporter
    evidence: Path
    metrics: Callable[[Resolved], MetricProvider]
    queries: Callable[[Resolved], Answering]
    notifiers: Notifiers = nobody

    def fenced(self, lock: Lock) -> World:
        """The same world for the run that holds `lock`: without it no write is sent and no helm is started."""
        return replace(self, cluster=self.cluster.fenced(lock.check), releases=self.releases.fenced(lock.check))

    def listening(self, reporter: Reporter) -> World:
        """The same world, whose events go to another reporter."""
        return replace(self, reporter=reporter)


@dataclass(slots=True)
class Run:
    """One run: every write is announced in the journal first.

    views: what it follows. logs: what it has read. told: keys of `tell_once`. were_ready: UIDs of pods seen ready.
    upkeep: what must be kept so while a step waits.
    """

    world: World
    release: Release
    plan: Plan
    settings: Settings
    journal: JournalStore
    lock: Lock
    progress: Progress = field(default_factory=Progress)
    signals: list[int] = field(default_factory=list)
    parent: int = field(default_factory=os.getppid)
    provider: MetricProvider | None = None
    kinds: Served | None = None
    views: dict[Resource, Following] = field(default_factory=dict)
    logs: LogBook = field(default_factory=LogBook)
    told: set[str] = field(default_factory=set)
    were_ready: set[str] = field(default_factory=set)
    upkeep: Callable[[Run], None] | None = None
    writing: threading.RLock = field(default_factory=threading.RLock)

    def follow(self, resource: Resource, keep: Keep, *, fields: str = "") -> Following:
        """The release's objects of a kind, by one watch that lasts as long as the run. Raises what a list raises."""
        if resource not in self.views:
            namespace = self.release.namespace
            self.views[resource] = self.world.cluster.follow(resource, namespace, keep=keep, fields=fields)
        return self.views[resource]

    def close(self) -> None:
        """End all watches."""
        while self.views:
            self.views.popitem()[1].close()

    def served(self) -> Served:
        """What the API server served when this process first asked: a look at the routes costs no discovery."""
        if self.kinds is None:
            self.kinds = self.world.cluster.served()
        return self.kinds

    def metrics(self) -> MetricProvider:
        """The provider of the run's settings, opened when it is first asked."""
        if self.provider is None:
            self.provider = self.world.metrics(self.settings.resolved)
        return self.provider

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

    def safe_point(self, where: str) -> None:
        """Where a step that waits may be left: after a signal, when another process asks, when the Lease is lost."""
        self.lock.check()
        self.stop_here(where)
        if self.request() and not stopping(self.plan, self.progress):
            raise Turn
        if self.upkeep:
            self.upkeep(self)

    def request(self) -> str:
        """The wish in force: a pause holds until resume, an abort wins over everything."""
        asked = list(self.lock.requests())
        if "abort" in asked:
            return "abort"
        held = [each for each in asked if each in ("pause", "resume", "promote")]
        return "pause" if held[-1:] == ["pause"] else ""

    def record(self, kind: Kind, stage: Stage, step: str = "", data: dict[str, Any] | None = None) -> None:
        """Append to the journal and fold the record into `progress`. Raises LostLease when fenced off.

        Each record says where users must go if the run stops there.
        """
        with self.writing:  # notifiers record from threads of their own
            share = safe_share(self.plan, self.progress)
            told = safe_words(self.plan, share) if self.plan.traffic else safe_place(self.plan, self.progress)
            safe = {"share": share, "to": told} if told else {}
            record = Record(self.world.cluster.now(), kind, stage.value, step, data or {}, safe)
            self.journal.append(record)
            self.progress = fold([record], self.progress)

    def captured(self, step: str) -> dict[str, Any]:
        """An original that was journaled; empty when there is none."""
        found = self.progress.captured.get(step)
        return found if isinstance(found, dict) else {}

    def tell_once(self, stage: Stage, key: str, message: str, level: Level = Level.WARNING) -> None:
        """Say the first of the things that this run has to say under the key."""
        if key not in self.told:
            self.told.add(key)
            self.tell(stage, message, level)

    def tell(self, stage: Stage, message: str, level: Level = Level.INFO, **data: Any) -> None:
        self.world.reporter.event(Event(self.world.clock.now(), stage.value, level, message, data))


def safe_words(plan: Plan, share: float | None) -> str:
    """Where that share sends users, for people."""
    if share is None or plan.traffic is None:
        return "the weights of before"
    return ", ".join(f"Service/{pair.canary}" for pair in plan.traffic.pairs)


def in_parallel(call: Callable[[Item], Answer], items: Iterable[Item]) -> list[Answer]:
    """`call` on every item, at most WORKERS at once, answers in the order of the items; the first error is raised."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(call, items))
