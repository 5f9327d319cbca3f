"""The load generator: a constant rate of requests, sent when they are due whether or not earlier ones were answered.

Run as `python -m helm_safe.sandbox.demo.load --url URL --host NAME --out FILE`. Latency counts from the moment at which
a request was due, so that a slow service cannot hide by slowing the generator down. It ends by itself, or on SIGTERM
and SIGINT after the requests under way.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

import aiohttp

from helm_safe.model.errors import HelmSafeError, UsageError
from helm_safe.sandbox.demo.numbers import Request, summarize

MAX_RATE = 500.0
MAX_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class Load:
    """rate: requests per second. seconds and count: whichever bound comes first. patience: seconds for an answer."""

    url: str
    host: str
    rate: float = 40.0
    seconds: float = 300.0
    count: int = 100_000
    patience: float = 10.0


async def generate(load: Load, out: TextIO, stop: asyncio.Event) -> list[Request]:
    """Send the load and write one line per request to `out` as soon as it is answered; returns all of them."""
    done: list[Request] = []

    async def one(session: aiohttp.ClientSession, due: float) -> None:
        request = await _ask(session, load, due)
        done.append(request)
        out.write(request.to_line() + "\n")
        out.flush()

    timeout = aiohttp.ClientTimeout(total=load.patience)
    # No limit on connections: a queue in the client would be a pause of the load.
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        start = time.monotonic()
        under_way: set[asyncio.Future[None]] = set()
        for index in range(min(load.count, int(load.seconds * load.rate))):
            due = start + index / load.rate
            if await _stopped_before(stop, due):
                break
            task = asyncio.ensure_future(one(session, due))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)
    return done


async def _ask(session: aiohttp.ClientSession, load: Load, due: float) -> Request:
    try:
        async with session.get(load.url, headers={"Host": load.host}, allow_redirects=False) as answer:
            await answer.read()
            took = time.monotonic() - due
            pod, version = answer.headers.get("x-pod", ""), answer.headers.get("x-version", "")
            return Request(due, took, answer.status, pod, version)
    except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
        return Request(due, time.monotonic() - due, 0, error=type(error).__name__)


async def _stopped_before(stop: asyncio.Event, due: float) -> bool:
    """Wait until `due`; True when the stop came first."""
    wait = due - time.monotonic()
    if wait > 0:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(stop.wait(), wait)
    return stop.is_set()


def checked(load: Load) -> Load:
    """The load, if it can be sent. Raises UsageError for a rate, a time or an address that is out of bounds.

    Addresses outside of this machine are refused: a load generator that can be pointed anywhere is a weapon.
    """
    if not 0 < load.rate <= MAX_RATE:
        raise UsageError(f"--rate {load.rate:g} is not between 0 and {MAX_RATE:g} requests per second")
    if not 0 < load.seconds <= MAX_SECONDS or load.count < 1:
        raise UsageError(f"--seconds must lie between 0 and {MAX_SECONDS:g}, and --count above 0")
    parts = urlsplit(load.url)
    host = parts.hostname or ""
    try:
        local = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host).is_loopback
    except ValueError:
        local = False
    if parts.scheme != "http" or not local:
        raise UsageError(f"--url {load.url} is not http:// on a loopback address", "The load is for the sandbox alone.")
    return load


def parser() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(prog="helm_safe.sandbox.demo.load", allow_abbrev=False)
    words.add_argument("--url", required=True, help="http:// on a loopback address")
    words.add_argument("--host", required=True, help="value of the Host header")
    words.add_argument("--rate", type=float, default=40.0, help="requests per second")
    words.add_argument("--seconds", type=float, default=300.0, help="ends after so long")
    words.add_argument("--count", type=int, default=100_000, help="ends after so many requests")
    words.add_argument("--patience", type=float, default=10.0, help="seconds to wait for an answer")
    words.add_argument("--slow", type=float, default=1.0, help="seconds from which on an answer is slow")
    words.add_argument("--out", type=Path, required=True, help="file for one JSON line per request")
    return words


async def _run(load: Load, out: TextIO) -> list[Request]:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return await generate(load, out, stop)


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    try:
        load = checked(Load(args.url, args.host, args.rate, args.seconds, args.count, args.patience))
        with args.out.open("w", encoding="utf-8") as out:
            requests = asyncio.run(_run(load, out))
    except HelmSafeError as error:
        sys.stderr.write(f"Error: {error.message}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"Error: {args.out} cannot be written: {error.strerror}\n")
        return 2
    found = summarize(requests, args.slow)
    sys.stdout.write(f"{found.total} requests, {found.failed} failed, {found.slow} slow\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
