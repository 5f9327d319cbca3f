"""Followed objects: one list, then a watch in the background that keeps the view up to date."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from helm_safe.core.objects import Object, dig, name_of, namespace_of
from helm_safe.model.errors import ClusterError, Conflict, Forbidden, Invalid, Stale
from helm_safe.ports import Keep, Listing

SECONDS = 20.0
"""How long one watch lasts. Within it the server sends a bookmark, or at its end tells that nothing was lost."""
STALE = 30.0
LISTS_AFTER = 60.0
LISTS_EVERY = 2.0
LONGEST_PAUSE = 10.0
PATIENCE = 2.0
"""Seconds that `close` waits for the thread; one that waits for the first byte of an answer may take longer to end."""
_STEADY: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""It goes on while the machine sleeps: who wakes must know that the view is old."""


class Shut(Protocol):
    """What is asked of a stream (kube.stream.Stream)."""

    whole: bool

    def shut(self) -> None: ...


class Watch(NamedTuple):
    """A watch that is open: its stream, and what the stream says."""

    stream: Shut
    events: Iterable[tuple[str, Object]]


class KubeFollowing(AbstractContextManager["KubeFollowing"]):
    """helm_safe.ports.Following.

    read: lists the kept objects. watch: opens a watch since a resourceVersion. keep: what is kept of an object. what:
    the kind, for people. now: steady seconds. pause: seconds after a failure, doubled by each further one.

    A list always wins: events of a watch that began before it are left out.
    """

    def __init__(
        self,
        read: Callable[[], Listing],
        watch: Callable[[str], Watch],
        keep: Keep,
        what: str,
        *,
        now: Callable[[], float] = lambda: time.clock_gettime(_STEADY),
        pause: float = 0.25,
    ) -> None:
        self._read, self._watch, self._keep, self._what = read, watch, keep, what
        self._now, self._pause = now, pause
        self._lock, self._listing = threading.Lock(), threading.Lock()
        self._objects: dict[tuple[str, str], Object] = {}
        self._version, self._epoch = "", 0
        self._heard = 0.0
        self._refused = self._by_lists = False
        self._stream: Shut | None = None
        self._closed = threading.Event()
        self.refresh()
        self._thread = threading.Thread(target=self._follow, name=f"follow {what}", daemon=True)
        self._thread.start()

    @property
    def refused(self) -> bool:
        return self._refused

    def age(self) -> float:
        return self._now() - self._heard

    def items(self) -> list[Object]:
        age = self.age()
        if age > (LISTS_EVERY if self._by_lists else LISTS_AFTER):
            self._by_lists = True
            self.refresh()
        elif age > STALE and not self._by_lists:
            raise Stale(f"the API server has told nothing new of {self._what} for {age:.0f} s")
        with self._lock:
            return list(self._objects.values())

    def refresh(self) -> None:
        with self._listing:  # one after the other: an older answer must not follow a newer one
            began, listing = self._now(), self._read()
            with self._lock:
                self._objects = {_key(obj): obj for obj in listing.items}
                self._version, self._heard = listing.resource_version, began
                self._epoch += 1
                stream = None if self._by_lists else self._stream
        if stream:
            stream.shut()

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            stream = self._stream
        if stream:
            stream.shut()
        self._thread.join(PATIENCE)

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- in the thread ---

    def _follow(self) -> None:
        """Watch after watch until it is closed, or until watching turns out not to be allowed."""
        failed = 0
        while not self._closed.is_set():
            heard = self._heard
            try:
                if failed > 2:
                    self.refresh()
                self._watch_once()
                failed = 0 if self._heard != heard else failed + 1
            except Forbidden:
                self._refused = self._by_lists = True
                return
            except (Conflict, Invalid):
                failed += 3  # the version is too old, or nothing that this server knows: list again
            except ClusterError:
                failed += 1
            if failed:
                pause = min(self._pause * 2 ** min(failed, 6), LONGEST_PAUSE)
                self._closed.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311 - only spreads load

    def _watch_once(self) -> None:
        with self._lock:
            since, epoch = self._version, self._epoch
        stream, events = self._watch(since)
        with self._lock:
            self._stream = stream
        if self._closed.is_set() or epoch != self._epoch:
            stream.shut()
        for kind, obj in events:
            if self._closed.is_set() or not self._apply(kind, obj, epoch):
                return
        if stream.whole:
            self._alive(epoch)

    def _apply(self, kind: str, obj: Object, epoch: int) -> bool:
        """Take an event in; False where a list has overtaken it."""
        kept = None if kind in ("BOOKMARK", "DELETED") else self._keep(obj)
        with self._lock:
            if epoch == self._epoch:
                self._version = str(dig(obj, "metadata", "resourceVersion") or self._version)
                if kept is not None:
                    self._objects[_key(obj)] = kept
                elif kind != "BOOKMARK":
                    self._objects.pop(_key(obj), None)
        return self._alive(epoch)

    def _alive(self, epoch: int) -> bool:
        """Note a sign of life; where lists had to help out, the watch takes over again."""
        with self._lock:
            current = epoch == self._epoch
            if current:
                self._heard = self._now()
            self._by_lists = False
        return current


def _key(obj: Object) -> tuple[str, str]:
    return namespace_of(obj), name_of(obj)
