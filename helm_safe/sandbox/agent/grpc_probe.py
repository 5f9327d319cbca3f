"""The gRPC health check of a probe. Apart, because gRPC is large and few pods speak it."""

from __future__ import annotations

import grpc
import grpc.aio

from helm_safe.sandbox.agent.grpc_server import HEALTH_CHECK, SERVING


async def check(target: str, service: str) -> str:
    """Why the service at `target` (address:port) is not healthy, in words; empty where it is."""
    name = service.encode()[:127]
    request = b"\x0a" + bytes([len(name)]) + name if name else b""
    async with grpc.aio.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            answer = await channel.unary_unary(HEALTH_CHECK)(request)
        except grpc.aio.AioRpcError as error:
            return f"error: health rpc probe failed: {error.code().name}"
    if answer == SERVING:
        return ""
    return f"service unhealthy (responded with {answer.hex() or 'nothing'})"
