"""Events about pods: what kubelet and scheduler say of them, and how often a probe failed lately. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from helm_safe.core.objects import Object, dig, mapping

TOLD = frozenset(
    {
        "BackOff",
        "Evicted",
        "Failed",
        "FailedAttachVolume",
        "FailedCreatePodSandBox",
        "FailedMount",
        "FailedPostStartHook",
        "FailedScheduling",
        "Killing",
        "NetworkNotReady",
        "Preempted",
        "Unhealthy",
    }
)
"""Reasons that say something of a pod's health; all others are not kept."""
TROUBLED = TOLD - {"Killing", "Unhealthy", "BackOff", "Failed", "FailedScheduling"}
"""Those worth a line of their own: the others show in the pod's state, or belong to its normal end."""
WINDOW = 60.0
FAILURES = 5
"""So many failures of one kind of probe within WINDOW are trouble for a pod that was ready before."""
MOST = 100
MESSAGE = 300
_PROBE = re.compile(r"(Liveness|Readiness|Startup) probe (?:failed|errored)[^:]*: ?(.*)", re.DOTALL)
_HTTP = re.compile(r"statuscode: (\d{3})")
_SHORT = (
    ("connection refused", "connection refused"),
    ("context deadline exceeded", "no answer in time"),
    ("Timeout exceeded", "no answer in time"),
    ("i/o timeout", "no answer in time"),
)


class Happening(NamedTuple):
    """One event object. probe: "readiness", "liveness", "startup" or "". words: of the message. times: so far."""

    id: str
    pod: str
    reason: str
    probe: str
    words: str
    times: int


class Failing(NamedTuple):
    """A probe of a pod that failed within the last WINDOW seconds, and what the newest failure said."""

    pod: str
    probe: str
    times: int
    words: str

    @property
    def sentence(self) -> str:
        times = "once" if self.times == 1 else f"{self.times} times"
        return f"{self.probe} failed {times} in the last {WINDOW:.0f} s: {self.words}"


def kept(event: Object) -> Object | None:
    """What is kept of an event: those about pods that say something of their health, in few words."""
    about = mapping(event, "involvedObject")
    if about.get("kind") != "Pod" or event.get("reason") not in TOLD:
        return None
    metadata = {key: dig(event, "metadata", key) for key in ("name", "namespace", "uid")}
    fields = ("reason", "count", "series")
    return {
        "metadata": metadata,
        "involvedObject": {"name": about.get("name"), "uid": about.get("uid")},
        "message": str(event.get("message") or "")[:MESSAGE],
        **{key: event[key] for key in fields if event.get(key) is not None},
    }


def happening_of(event: Object) -> Happening:
    """An event, read."""
    message = str(event.get("message") or "")
    probe = _PROBE.search(message) if event.get("reason") == "Unhealthy" else None
    return Happening(
        str(dig(event, "metadata", "uid") or dig(event, "metadata", "name")),
        str(dig(event, "involvedObject", "uid") or ""),
        str(event.get("reason") or ""),
        probe[1].lower() if probe else "",
        _probe_words(probe[2]) if probe else message,
        int(dig(event, "series", "count") or event.get("count") or 1),
    )


def _probe_words(text: str) -> str:
    status = _HTTP.search(text)
    if status:
        return f"HTTP {status[1]}"
    return next((words for part, words in _SHORT if part in text), text.strip()[:100] or "it failed")


@dataclass
class Happenings:
    """Events over time: what was there at the first `note` is the past."""

    counts: dict[str, int] | None = None
    failures: dict[tuple[str, str], deque[tuple[float, str]]] = field(default_factory=dict)

    def note(self, events: Iterable[Object], pods: Collection[str], now: float) -> list[Happening]:
        """The happenings that are new since the last look, about these pods (by UID). now: steady seconds."""
        before, found = self.counts, []
        self.counts = {}
        for event in events:
            if dig(event, "involvedObject", "uid") not in pods:
                continue
            each = happening_of(event)
            self.counts[each.id] = each.times
            new = each.times - before.get(each.id, 0) if before is not None else 0
            if new > 0:
                found.append(each)
            if new > 0 and each.probe:
                row = self.failures.setdefault((each.pod, each.probe), deque(maxlen=MOST))
                row.extend([(now, each.words)] * min(new, MOST))
        return found

    def failing(self, now: float) -> list[Failing]:
        """Probes that failed lately, the most frequent first."""
        found = []
        for (pod, probe), row in list(self.failures.items()):
            while row and now - row[0][0] > WINDOW:
                row.popleft()
            if row:
                found.append(Failing(pod, probe, len(row), row[-1][1]))
            else:
                del self.failures[pod, probe]
        return sorted(found, key=lambda each: -each.times)
