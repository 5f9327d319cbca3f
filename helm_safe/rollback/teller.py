"""A notifier at work beside a run: a thread of its own, a bounded queue, and never a word that delays the run."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from helm_safe.model.errors import HelmSafeError
from helm_safe.model.incident import LINES, Memory, Notice, Notifier, NotSent
from helm_safe.ports import Clock

INTERVAL = 10.0
"""Seconds between two updates at least; what happens meanwhile is told with the next one."""
PATIENCE = 4
"""How often that doubles for one that fails."""
OPENING, OPENED, CLOSED, FAILED = "opening", "opened", "closed", "failed"

Remember = Callable[[str, Mapping[str, Any]], bool]
"""Journals how far the notifier of a name is; False where this process may not write any more."""


class Teller:
    """Tells one notifier. known: what the journal says of it.

    An opening is journaled before it is sent, so that after a kill at any time nothing is opened twice.
    """

    def __init__(
        self, name: str, opener: Callable[[], Notifier], clock: Clock, known: Mapping[str, Any], remember: Remember
    ) -> None:
        self.name = name
        self.trouble = ""
        self._opener = opener
        self._clock = clock
        self._remember = remember
        self._did = str(known.get("did", ""))
        self._memory: Memory = known.get("memory") or {}
        if self._did == OPENING:
            self._memory = {**self._memory, "unsure": str(known.get("at", "now"))}
        self._ready = threading.Condition()
        self._first: Notice | None = None
        self._newest: Notice | None = None
        self._journaled: tuple[str, Memory] = ("", {})
        self._lines: deque[str] = deque(maxlen=LINES)
        self._last = self._ended = self._gone = False
        self._told_at = float("-inf")
        self._failures = 0
        self._thread = threading.Thread(target=self._work, name=f"notifier {name}", daemon=True)

    def tell(self, notice: Notice, *, last: bool = False) -> None:
        """Have it told when its turn comes; returns at once. last: nothing comes after it."""
        with self._ready:
            self._lines.extend(notice.lines)
            self._first = self._first or notice
            self._newest, self._last = notice, self._last or last
            self._ready.notify()
        if self._thread.ident is None:
            self._thread.start()

    def leave(self) -> None:
        """Tell nothing more: this process is no longer the one that may."""
        with self._ready:
            self._gone = True
            self._ready.notify()

    def join(self, seconds: float) -> bool:
        """Whether all was told, or was tried, within the time."""
        if self._thread.ident is not None:
            self._thread.join(max(seconds, 0.0))
        return self._ended

    def _work(self) -> None:
        try:
            notifier = self._opener()
        except HelmSafeError as error:
            self._failed(error.message)
            notifier = None
        except Exception as error:  # noqa: BLE001 - a thread's end: what it cannot name must not end the run's output
            self._failed(f"it cannot be used ({type(error).__name__})")
            notifier = None
        while notifier is not None:
            notice = self._next()
            if notice is None:
                return
            self._try(notifier, notice)
            if self._ended:
                return
        self._ended = True

    def _next(self) -> Notice | None:
        """The newest notice with all lines since the last one, once it is time; None where nothing is to be told."""
        with self._ready:
            while not self._gone:
                wait = self._told_at + INTERVAL * 2 ** min(self._failures, PATIENCE) - self._clock.monotonic()
                if self._newest is not None and (wait <= 0 or self._last):
                    notice = replace(self._newest, lines=tuple(self._lines))
                    self._newest = None
                    self._lines.clear()
                    return notice
                self._ready.wait(None if self._newest is None else min(wait, INTERVAL))
        return None

    def _try(self, notifier: Notifier, notice: Notice) -> None:
        with self._ready:
            last = self._last and self._newest is None
        try:
            self._send(notifier, notice, last=last)
            self.trouble, self._failures = "", 0
        except NotSent as error:
            self._failed(error.message, unsure=error.unsure)
        except Exception as error:  # noqa: BLE001 - as above
            self._failed(f"it stumbled ({type(error).__name__})")
        self._told_at = self._clock.monotonic()
        self._ended = last

    def _send(self, notifier: Notifier, notice: Notice, *, last: bool) -> None:
        """Open what was never tried, even at the end; what could not be opened is only told how it ended."""
        if self._did not in (OPENED, CLOSED) and (not last or not self._did):
            if not self._note(OPENING):
                return
            self._memory = notifier.opened(self._first if last and self._first else notice, self._memory)
            self._note(OPENED)
            if not last:
                return
        if last and notice.state.ends:
            self._memory = notifier.closed(notice, self._memory)
            self._note(CLOSED)
        else:
            self._memory = notifier.updated(notice, self._memory)
            self._note(OPENED)

    def _note(self, did: str) -> bool:
        """Journal it where it says something new."""
        memory = {key: value for key, value in self._memory.items() if key != "unsure"}
        self._did = did
        if did != OPENING:
            self._memory = memory
        if (did, memory) == self._journaled:
            return True
        self._journaled = (did, memory)
        return self._remember(self.name, {"did": did, "memory": memory})

    def _failed(self, why: str, *, unsure: bool = False) -> None:
        """An opening that failed for certain is tried again with the next notice; updates that fail alike are one."""
        alike = self.trouble == why and self._did in (OPENED, CLOSED)
        self.trouble = why
        self._failures += 1
        if self._did not in (OPENED, CLOSED):
            self._did = OPENING if unsure else FAILED
        if unsure:
            self._memory = {**self._memory, "unsure": "this process"}
        memory = {key: value for key, value in self._memory.items() if key != "unsure"}
        self._journaled = (FAILED, memory)
        if not alike:
            self._remember(self.name, {"did": self._did, "memory": memory, "failed": why})
