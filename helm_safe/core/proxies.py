"""Which proxy the environment asks for, by the rules of Go's programs: HTTPS_PROXY, HTTP_PROXY, NO_PROXY."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit


def proxy_for(env: Mapping[str, str], server: str) -> str:
    """The proxy's address for a server, "" for none; this machine itself is never reached through one."""
    parts = urlsplit(server)
    host = (parts.hostname or "").lower()
    name = f"{parts.scheme}_proxy"
    proxy = env.get(name.upper()) or env.get(name) or ""
    listed = (env.get("NO_PROXY") or env.get("no_proxy") or "").lower().split(",")
    if not proxy or host == "localhost" or _loopback(host):
        return ""
    return "" if any(_matches(entry.strip(), host, parts.port) for entry in listed) else proxy


def _loopback(host: str) -> bool:
    address = _address(host)
    return address is not None and address.is_loopback


def _matches(entry: str, host: str, port: int | None) -> bool:
    if entry in ("", "*"):
        return entry == "*"
    if "/" in entry:
        return _inside(host, entry)
    name, colon, wanted = entry.rpartition(":") if entry.count(":") == 1 else (entry, "", "")
    if colon and wanted != str(port):
        return False
    suffix = name.removeprefix("*")
    return host == suffix.removeprefix(".") or host.endswith(suffix if suffix.startswith(".") else f".{suffix}")


def _inside(host: str, network: str) -> bool:
    address = _address(host)
    try:
        return address is not None and address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
