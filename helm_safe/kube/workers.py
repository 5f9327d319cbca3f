"""Independent calls side by side: waiting for the API server is most of what a snapshot costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
WORKERS = 8


def parallel(calls: Iterable[Callable[[], T]], workers: int = WORKERS) -> list[T]:
    """The results in the order of the calls. Calls not begun are dropped when one fails; its error is raised."""
    waiting = list(calls)
    if len(waiting) < 2:
        return [call() for call in waiting]
    with ThreadPoolExecutor(max_workers=min(workers, len(waiting))) as pool:
        futures = [pool.submit(call) for call in waiting]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
