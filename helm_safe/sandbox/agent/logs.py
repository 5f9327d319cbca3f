"""Containers' logs: one bounded file for each run of a container, lines stamped as a container runtime stamps them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote

from helm_safe.sandbox.agent.clock import Clock, micro_stamp

LIMIT = 1 << 20
_KEPT_RUNS = 2


class Log:
    """The log of one run. At `limit` bytes its older half is dropped, so that a busy pod cannot fill the disk."""

    def __init__(self, path: Path, clock: Clock, *, limit: int = LIMIT) -> None:
        self.path = path
        self._clock = clock
        self._limit = limit
        self._size = 0
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    def write(self, text: str) -> None:
        """Append each line of the text with the time of now."""
        at = micro_stamp(self._clock.wall())
        data = "".join(f"{at} {line}\n" for line in text.splitlines() or [""]).encode(errors="replace")
        if self._size + len(data) > self._limit:
            self._halve()
        try:
            with self.path.open("ab") as file:
                file.write(data)
                self._size = file.tell()
        except FileNotFoundError:  # the pod is gone and its logs with it
            self._size = 0

    def _halve(self) -> None:
        kept = self.path.read_bytes()[-self._limit // 2 :] if self.path.exists() else b""
        kept = kept.partition(b"\n")[2]
        self.path.write_bytes(kept)
        self._size = len(kept)


class Logs:
    """Files `<folder>/<namespace>/<pod uid>/<container>/<restart>.log`; the last two runs of a container are kept."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    def open(self, namespace: str, uid: str, container: str, restart: int) -> Log:
        path = self.path(namespace, uid, container, restart)
        self.path(namespace, uid, container, restart - _KEPT_RUNS).unlink(missing_ok=True)
        return Log(path, self._clock)

    def path(self, namespace: str, uid: str, container: str, restart: int) -> Path:
        return self._pod(namespace, uid) / _safe(container) / f"{restart}.log"

    def remove(self, namespace: str, uid: str) -> None:
        """Drop everything that a pod wrote."""
        shutil.rmtree(self._pod(namespace, uid), ignore_errors=True)

    def _pod(self, namespace: str, uid: str) -> Path:
        return self._folder / _safe(namespace) / _safe(uid)


def _safe(name: str) -> str:
    """A name from the cluster as one path segment."""
    return quote(name, safe="").replace(".", "%2E") or "%00"


def lines(
    data: bytes, *, tail: int | None = None, since: datetime | None = None, stamps: bool = False
) -> Iterator[bytes]:
    """Lines of a log as `kubectl logs` asks for them: the last `tail` of those since a moment, stamped or bare."""
    kept = data.splitlines(keepends=True)
    if since is not None:
        kept = [line for line in kept if _moment(line) >= since]
    if tail is not None:
        kept = kept[len(kept) - tail :] if 0 < tail < len(kept) else kept if tail else []
    return (line if stamps else line.partition(b" ")[2] for line in kept)


def _moment(line: bytes) -> datetime:
    text = line.partition(b" ")[0].decode(errors="replace")
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return datetime.min.replace(tzinfo=timezone.utc)
