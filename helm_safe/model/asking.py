"""A request to a pod or Service, and its answer. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class PodRequest(NamedTuple):
    """What a pod is asked, by itself or by its Service.

    path: with its query, e.g. "/health?full=1". limit: bytes of the answer's body that are read at most.
    """

    path: str
    method: str = "GET"
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""
    limit: int = 65536


class Proxied(NamedTuple):
    """What a pod answered through the API server. status 0: nothing answered, and `body` says why.

    headers: names in lower case. body: its first bytes, up to the limit asked for. seconds: from asking to the last
    byte, the way through the API server included.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
