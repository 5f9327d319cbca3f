"""The images that the node holds: those that a container has run from, as a kubelet reports them."""

from __future__ import annotations

from helm_safe.core.objects import Object

MOST = 50
"""A kubelet lists so many by default; the one that ran longest ago goes first."""
_SIZE = 10_000_000


class Images:
    """Names in the order of their last use."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def ran(self, name: str) -> None:
        self._names.pop(name, None)
        self._names[name] = None
        while len(self._names) > MOST:
            del self._names[next(iter(self._names))]

    def report(self) -> list[Object]:
        """For `status.images` of the Node."""
        return [{"names": [name], "sizeBytes": _SIZE} for name in sorted(self._names)]
