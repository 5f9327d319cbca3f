"""Carrying probes out: real requests to the pod's address, as the kubelet sends them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from helm_safe.core.objects import Object, dig, sequence
from helm_safe.sandbox.agent.podspec import ContainerSpec
from helm_safe.sandbox.agent.probes import Outcome, ProbeSpec

_HOPS = 10
_SLEEP = re.compile(r"(?:^|[\s;&|])sleep\s+(\d{1,6}(?:\.\d{1,6})?)([smh]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, slots=True)
class Result:
    """output: what the kubelet's event says about it."""

    outcome: Outcome
    output: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is probed: a container at its pod's address. exec_fails: the part that its exec probes play."""

    spec: ContainerSpec
    address: str
    exec_fails: bool = False


@asynccontextmanager
async def open_prober() -> AsyncIterator[Prober]:
    """A prober with a connection for each probe, as the kubelet has it; certificates are not verified."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True, ssl=False)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Prober(session)


class Prober:
    """Sends probes and lifecycle hooks."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def probe(self, probe: ProbeSpec, subject: Subject) -> Result:
        """The result of one probe; what takes longer than its timeout has failed."""
        try:
            return await asyncio.wait_for(self._act(probe, subject), probe.timeout)
        except asyncio.TimeoutError:
            return Result(Outcome.FAILURE, f"{_name(probe)}: context deadline exceeded (timeout {probe.timeout:g}s)")
        except (OSError, aiohttp.ClientError, ValueError) as error:
            return Result(Outcome.FAILURE, f"{_name(probe)}: {error}")

    async def hook_request(self, action: Mapping[str, Any], subject: Subject) -> None:
        """The httpGet of a lifecycle hook; raises OSError or aiohttp.ClientError where it fails."""
        url = _url(action, subject)
        if url is not None:
            async with self._session.get(url, headers=_headers(action, "lifecycle"), allow_redirects=False):
                return

    async def _act(self, probe: ProbeSpec, subject: Subject) -> Result:
        if probe.action == "httpGet":
            return await self._http(probe.body, subject)
        if probe.action == "tcpSocket":
            return await _tcp(probe.body, subject)
        if probe.action == "grpc":
            return await _grpc(probe.body, subject)
        return await _exec(probe.body, subject)

    async def _http(self, action: Object, subject: Subject) -> Result:
        url = _url(action, subject)
        if url is None:
            return Result(Outcome.ERROR, f"couldn't find port: {action.get('port')}")
        host = url.host
        for _ in range(_HOPS + 1):
            async with self._session.get(url, headers=_headers(action, "probe"), allow_redirects=False) as response:
                target = URL(response.headers.get("Location", "")) if 300 <= response.status < 400 else None
                if target is None or url.join(target).host != host:
                    return _judged(response.status)
                url = url.join(target)
        return Result(Outcome.FAILURE, "stopped after 10 redirects")


def sleep_of(command: object) -> float:
    """Seconds that an exec hook sleeps: `sleep 5`, or the same inside a shell's line; 0 for any other command."""
    words = command if isinstance(command, list) else []
    found = _SLEEP.search(" ".join(str(word) for word in words))
    return float(found[1]) * _UNITS[found[2]] if found else 0.0


def _judged(status: int) -> Result:
    if 200 <= status < 400:
        return Result(Outcome.SUCCESS)
    return Result(Outcome.FAILURE, f"HTTP probe failed with statuscode: {status}")


def _url(action: Mapping[str, Any], subject: Subject) -> URL | None:
    port = subject.spec.port(action.get("port"))
    if port is None:
        return None
    scheme = str(action.get("scheme") or "HTTP").lower()
    path = str(action.get("path") or "/")
    host = str(action.get("host") or subject.address)
    return URL(f"{scheme}://{host}:{port}{path if path.startswith('/') else '/' + path}")


def _headers(action: Mapping[str, Any], purpose: str) -> list[tuple[str, str]]:
    """The action's headers. Accept and User-Agent have defaults; an empty Accept takes it away."""
    given = [(str(dig(each, "name")), str(dig(each, "value") or "")) for each in sequence(action, "httpHeaders")]
    names = {name.lower() for name, _ in given}
    if "user-agent" not in names:
        given.append(("User-Agent", f"kube-{purpose}/1.36"))
    if "accept" not in names:
        given.append(("Accept", "*/*"))
    return [(name, value) for name, value in given if value or name.lower() != "accept"]


async def _tcp(action: Object, subject: Subject) -> Result:
    port = subject.spec.port(action.get("port"))
    if port is None:
        return Result(Outcome.ERROR, f"couldn't find port: {action.get('port')}")
    _, writer = await asyncio.open_connection(str(action.get("host") or subject.address), port)
    writer.close()
    return Result(Outcome.SUCCESS)


async def _grpc(action: Object, subject: Subject) -> Result:
    from helm_safe.sandbox.agent.grpc_probe import check

    port = subject.spec.port(action.get("port"))
    if port is None:
        return Result(Outcome.ERROR, f"couldn't find port: {action.get('port')}")
    refusal = await check(f"{subject.address}:{port}", str(action.get("service") or ""))
    return Result(Outcome.FAILURE, refusal) if refusal else Result(Outcome.SUCCESS)


async def _exec(action: Object, subject: Subject) -> Result:
    """There is no command to run: the container's annotation says how it ends."""
    await asyncio.sleep(sleep_of(action.get("command")))
    return Result(Outcome.FAILURE, "command exited with 1") if subject.exec_fails else Result(Outcome.SUCCESS)


def _name(probe: ProbeSpec) -> str:
    return {"httpGet": "Get", "tcpSocket": "dial tcp", "grpc": "grpc"}.get(probe.action, "exec")
