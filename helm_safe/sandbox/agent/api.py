"""The agent's client of the Kubernetes API: plain requests with retries, and one list-and-watch."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import tenacity

from helm_safe.core.objects import Object, dig, sequence
from helm_safe.sandbox.agent.kubeconfig import Target

STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
_PAUSE = 0.5
_log = logging.getLogger(__name__)


class ApiError(Exception):
    """The API refused; `status` is the HTTP code, `message` the API's own words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class Gone(Exception):
    """The watch cannot go on from its resourceVersion: list again."""


NO_ANSWER = (aiohttp.ClientError, asyncio.TimeoutError, OSError)


def _passing(error: BaseException) -> bool:
    busy = isinstance(error, ApiError) and error.status in (429, 500, 502, 503, 504)
    return busy or isinstance(error, NO_ANSWER)


def passing_retries(*, attempts: int | None = 5) -> tenacity.AsyncRetrying:
    """Tries again what may pass: no connection, a busy server. Everything the agent writes may be sent twice."""
    return tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(_passing),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=5),
        stop=tenacity.stop_after_attempt(attempts) if attempts else tenacity.stop_never,
        reraise=True,
    )


@asynccontextmanager
async def connect(target: Target) -> AsyncIterator[Api]:
    """One connection pool to the API server, for as long as the context lasts."""
    async with aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {target.token}", "Accept": "application/json"},
        connector=aiohttp.TCPConnector(limit=32, ssl=target.context()),
        timeout=aiohttp.ClientTimeout(total=30, sock_connect=5),
    ) as session:
        yield Api(target, session)


class Api:
    """Requests to the API server over a session that `connect` opened."""

    def __init__(self, target: Target, session: aiohttp.ClientSession) -> None:
        self._target = target
        self._session = session

    async def get(self, path: str, **query: str) -> Object:
        return await self.request("GET", path, query=query)

    async def create(self, path: str, body: Object) -> Object:
        return await self.request("POST", path, body=body)

    async def patch(self, path: str, body: Object, kind: str = STRATEGIC) -> Object:
        return await self.request("PATCH", path, body=body, content_type=kind)

    async def delete(self, path: str, body: Object) -> Object:
        return await self.request("DELETE", path, body=body)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> Object:
        """The parsed answer; raises ApiError, or what the connection raised in the last of its attempts."""
        data = json.dumps(body) if body is not None else None
        headers = {"Content-Type": content_type} if data else None
        async for attempt in passing_retries():
            with attempt:
                async with self._send(method, path, params=query, data=data, headers=headers) as response:
                    return await _parsed(response)
        raise AssertionError("the last attempt returns or raises")

    def _send(self, method: str, path: str, **options: Any) -> Any:
        name = self._target.server_name or None
        return self._session.request(
            method, self._target.server + path, server_hostname=name, allow_redirects=False, **options
        )

    async def list_and_watch(self, path: str, selector: str) -> AsyncIterator[tuple[str, Object]]:
        """Endless (type, object) pairs: ADDED, MODIFIED, DELETED, and LISTED with a whole list at each beginning."""
        while True:
            async for attempt in passing_retries(attempts=None):
                with attempt:
                    listed = await self.get(path, fieldSelector=selector)
            yield "LISTED", listed
            try:
                async for change in self._watch(path, selector, str(dig(listed, "metadata", "resourceVersion"))):
                    yield change
            except (Gone, ApiError, *NO_ANSWER) as reason:
                _log.info("listing %s again: %s", path, reason)
                await asyncio.sleep(_PAUSE)

    async def _watch(self, path: str, selector: str, version: str) -> AsyncIterator[tuple[str, Object]]:
        while True:
            query = {"watch": "1", "fieldSelector": selector, "resourceVersion": version}
            query |= {"allowWatchBookmarks": "true", "timeoutSeconds": "300"}
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=330)
            async with self._send("GET", path, params=query, timeout=timeout) as response:
                if response.status != 200:
                    await _parsed(response)
                async for event in _events(response.content):
                    kind, item = str(event.get("type")), event.get("object") or {}
                    if kind == "ERROR":
                        raise Gone(str(item.get("message")))
                    version = str(dig(item, "metadata", "resourceVersion") or version)
                    if kind != "BOOKMARK":
                        yield kind, item


async def _parsed(response: aiohttp.ClientResponse) -> Object:
    """The JSON of an answer; raises ApiError for a refusal or for something that is no JSON object."""
    text = await response.text()
    try:
        body = json.loads(text) if text else {}
    except ValueError:
        body = {"message": text[:200]}
    if response.status >= 400 or not isinstance(body, dict):
        raise ApiError(response.status, str(dig(body, "message") or "no message"))
    return body


async def _events(content: aiohttp.StreamReader) -> AsyncIterator[Object]:
    """The JSON lines of a watch; a line may be longer than the reader's own limit."""
    rest = b""
    async for chunk in content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if line.strip():
                yield json.loads(line)


def items(listed: Object) -> list[Object]:
    return [each for each in sequence(listed, "items") if isinstance(each, dict)]


def pod_path(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods/{name}"
