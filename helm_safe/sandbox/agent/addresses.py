"""Pod addresses: unique, and used again only after a quarantine. Pure."""

from __future__ import annotations

from collections import deque
from ipaddress import IPv4Network


class Exhausted(RuntimeError):
    """Every address of the range is taken or in quarantine."""


class Addresses:
    """Hands out addresses of a range in order; a returned one rests for `quarantine` seconds.

    The rest keeps a client with an old endpoint list from reaching another pod than it meant.
    """

    def __init__(self, cidr: str, *, quarantine: float = 60.0) -> None:
        self._network = IPv4Network(cidr)
        self._quarantine = quarantine
        self._next = 0
        self._taken: set[str] = set()
        self._resting: deque[tuple[float, str]] = deque()

    def claim(self, address: str) -> bool:
        """Keep the address that a pod already has; False where it is another pod's or not of the range."""
        if address in self._taken or not _inside(self._network, address):
            return False
        self._taken.add(address)
        return True

    def take(self, now: float) -> str:
        while self._resting and self._resting[0][0] <= now:
            self._taken.discard(self._resting.popleft()[1])
        size = self._network.num_addresses
        for _ in range(size):
            self._next = (self._next + 1) % size
            address = str(self._network[self._next])
            if not address.endswith((".0", ".255")) and address not in self._taken:
                self._taken.add(address)
                return address
        raise Exhausted(f"no free pod address is left in {self._network}")

    def give_back(self, address: str, now: float) -> None:
        if address in self._taken:
            self._resting.append((now + self._quarantine, address))


def _inside(network: IPv4Network, address: str) -> bool:
    parts = address.split(".")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() and int(part) < 256 for part in parts):
        return False
    number = sum(int(part) << shift for part, shift in zip(parts, (24, 16, 8, 0), strict=True))
    return int(network.network_address) <= number <= int(network.broadcast_address)
