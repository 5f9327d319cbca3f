"""Watching pods: rollout, restarts, probes and what they log; green ticks alone are no evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from helm_safe.core.annotations import ROLE_LABEL
from helm_safe.core.objects import Object, label_selector_matches, labels_of, mapping, name_of, ref_of
from helm_safe.core.redact import redact
from helm_safe.model import happenings, kept, podtable
from helm_safe.model.errors import ClusterError, Stale
from helm_safe.model.events import Level
from helm_safe.model.happenings import FAILURES, Failing, Happenings
from helm_safe.model.health import (
    Health,
    is_ready,
    last_end,
    pods_since,
    restarted,
    restarts_of,
    rollout_of,
    trouble_of,
    unplaced,
)
from helm_safe.model.machine import Verdict
from helm_safe.model.plan import Stage
from helm_safe.model.resources import EVENTS, PODS, WORKLOADS
from helm_safe.model.snapshot import Resource
from helm_safe.ports import Keep
from helm_safe.rollback.context import Run
from helm_safe.rollback.logs import LogWatch, uid_of

TROUBLE_GRACE = 20.0  # an image pull or a first crash may mend itself; two looks later it did not
RESTARTS = 3  # as many condemn a pod at once
SHOWN_EVERY = 1.0


class Scene(NamedTuple):
    """One look, by the names of workloads. groups: the pods that count. every: older and leaving ones too."""

    workloads: Mapping[str, Object]
    groups: Mapping[str, list[Object]]
    every: Mapping[str, list[Object]]

    def of(self, names: Iterable[str]) -> list[Object]:
        return [pod for name in names for pod in self.groups.get(name, ())]


@dataclass
class PodWatch:
    """Looks at workloads again and again; times are the clock's monotonic seconds.

    names: "Deployment/api". wanted: the least replicas of each. since: only pods created from then on count. beside:
    workloads whose logs are compared with. said: the newest words about the rollout.
    """

    run: Run
    stage: Stage
    names: list[str]
    wanted: dict[str, int]
    since: datetime
    beside: list[str] = field(default_factory=list)
    said: str = ""
    trouble_since: dict[str, float] = field(default_factory=dict)
    happenings: Happenings = field(default_factory=Happenings)
    shown: tuple[float, Any] = (float("-inf"), None)
    fresh: bool = False
    blind: bool = False

    def __post_init__(self) -> None:
        self.logs = LogWatch(self.run, self.stage)

    def look(self) -> Health:
        """FAIL: hopeless. INCONCLUSIVE: not all up yet, or nobody knows. PASS: all up, nothing speaks against them."""
        try:
            scene = self._scene()
        except Stale as stale:
            self._blind(stale)
            return Health(Verdict.INCONCLUSIVE, stale.message)
        self.blind = False
        missing = [name for name in self.names if name not in scene.workloads]
        if missing:
            return Health(Verdict.FAIL, f"{', '.join(missing)} does not exist")
        pods = scene.of(self.names)
        healths = [rollout_of(scene.workloads[name], self.wanted.get(name)) for name in self.names]
        notes = self._notes(pods)
        self._say("; ".join(health.message for health in healths) or "no workloads to watch")
        self._show(scene, notes)
        bad = next((each for each in [*healths, *notes.values()] if each.verdict is Verdict.FAIL), None)
        bad = bad or self.logs.look(pods, scene.of(self.beside))
        if bad:
            return bad
        held = [note.message for note in notes.values()]
        if all(health.verdict is Verdict.PASS for health in healths) and not held:
            return Health(Verdict.PASS, self.said)
        return Health(Verdict.INCONCLUSIVE, "; ".join([self.said, *held[:1]]))

    def anew(self) -> Health:
        """A look at objects that are listed now: what passes must not rest on what a watch said a while ago."""
        self.fresh = False
        return self.look()

    def pods(self) -> list[Object]:
        """The pods that are watched now."""
        try:
            return self._scene().of(self.names)
        except Stale:
            self.fresh = False
            return self._scene().of(self.names)

    # --- what is there ---

    def _scene(self) -> Scene:
        kinds = sorted({name.partition("/")[0] for name in (*self.names, *self.beside)})
        workloads = {str(ref_of(obj)): obj for kind in kinds for obj in self._items(WORKLOADS[kind], kept.workload)}
        every = self._items(PODS, kept.pod)
        self.fresh = True
        found = {name: selected(workloads.get(name, {}), every) for name in (*self.names, *self.beside)}
        groups = {name: pods_since(found[name], self.since) for name in self.names}
        return Scene(workloads, {**found, **groups}, found)

    def _items(self, resource: Resource, keep: Keep) -> Sequence[Object]:
        """What the run's own view shows; at the first look it is not older than this watch."""
        known = resource in self.run.views
        view = self.run.follow(resource, keep)
        if known and not self.fresh:
            view.refresh()
        if view.refused:
            words = "you may not watch the objects of this namespace, so they are listed again and again"
            self.run.tell_once(self.stage, "refused", words)
        return view.items()

    def _events(self) -> Sequence[Object]:
        """Events about pods; they make the words better, and nothing passes because there is none."""
        try:
            return self.run.follow(EVENTS, happenings.kept, fields="involvedObject.kind=Pod").items()
        except ClusterError as error:
            self.run.tell_once(self.stage, "events", f"probe failures are not counted: {error.message}")
            return ()

    # --- what is to be said of pods ---

    def _notes(self, pods: list[Object]) -> dict[str, Health]:
        """What stands against pods, by name: FAIL once it has lasted, INCONCLUSIVE for what may mend itself."""
        now = self.run.world.clock.monotonic()
        failing = self._failing(pods, now)
        notes, new = {}, []
        for pod in pods:
            name, probe = name_of(pod), failing.get(uid_of(pod))
            words, hopeless = self._against(pod, probe)
            if not words:
                self.trouble_since.pop(name, None)
                continue
            if name not in self.trouble_since:
                new.append((name, words))
            lasted = now - self.trouble_since.setdefault(name, now)
            bad = restarts_of(pod) >= RESTARTS or (hopeless and lasted >= TROUBLE_GRACE)
            notes[name] = Health(Verdict.FAIL if bad else Verdict.INCONCLUSIVE, redact(words))
        for words in grouped(new):
            self.run.tell(self.stage, redact(words), Level.WARNING)
        return notes

    def _against(self, pod: Object, probe: Failing | None) -> tuple[str, bool]:
        """What speaks against a pod, and whether it is hopeless unless it ends soon."""
        words = trouble_of(pod)
        if words:
            return words, True
        if restarts_of(pod) >= RESTARTS or self._just_ended(pod):
            return restarted(pod), False
        if probe and is_ready(pod) and probe.times < FAILURES:
            return "", False  # the probe's own threshold bears it
        if probe:
            return f"Pod/{name_of(pod)}: {probe.sentence}", uid_of(pod) in self.run.were_ready
        return unplaced(pod), False

    def _just_ended(self, pod: Object) -> bool:
        end = last_end(pod)
        return end is not None and (self.run.world.cluster.now() - end).total_seconds() < TROUBLE_GRACE

    def _failing(self, pods: list[Object], now: float) -> dict[str, Failing]:
        """The probe of each pod, by UID, that failed most often lately; other happenings are told."""
        names = {uid_of(pod): name_of(pod) for pod in pods}
        for each in self.happenings.note(self._events(), names.keys(), now):
            if each.reason in happenings.TROUBLED:
                words = f"Pod/{names[each.pod]}: {each.reason}: {redact(each.words)}"
                self.run.tell_once(self.stage, f"event {each.reason}", words)
        self.run.were_ready.update(uid_of(pod) for pod in pods if is_ready(pod))
        return {each.pod: each for each in reversed(self.happenings.failing(now))}

    def _blind(self, stale: Stale) -> None:
        if not self.blind:
            self.blind = True
            self.run.tell(self.stage, stale.message, Level.WARNING)

    def _say(self, words: str) -> None:
        if words != self.said:
            self.said = words
            self.run.tell(self.stage, words)

    def _show(self, scene: Scene, notes: Mapping[str, Health]) -> None:
        """Every pod's state for a screen, when something changed."""
        now, last = self.run.world.clock.monotonic(), self.shown
        said = {name: note.message for name, note in notes.items()}
        rows = [
            podtable.workload_row(name, scene.workloads[name], scene.every[name], said)
            for name in (*self.names, *self.beside)
            if name in scene.workloads
        ]
        if rows != last[1] and now - last[0] >= SHOWN_EVERY:
            self.shown = (now, rows)
            self.run.tell(self.stage, self.said, Level.DETAIL, kind=podtable.KIND, workloads=rows)


def grouped(new: Sequence[tuple[str, str]]) -> list[str]:
    """One sentence for all pods of which the same is to be said."""
    alike: dict[str, list[str]] = {}
    for name, words in new:
        alike.setdefault(words.replace(name, "", 1), []).append(words)
    more = ((each[0], len(each) - 1) for each in alike.values())
    return [f"{words} (and {count} more pods)" if count else words for words, count in more]


def selected(workload: Object, pods: Iterable[Object]) -> list[Object]:
    """The pods of a workload. A standby's pods wear the live labels for a while, and are still the standby's."""
    selector = mapping(workload, "spec", "selector")
    ours = labels_of(workload).get(ROLE_LABEL)
    return [
        pod
        for pod in pods
        if selector and labels_of(pod).get(ROLE_LABEL) == ours and label_selector_matches(selector, labels_of(pod))
    ]
