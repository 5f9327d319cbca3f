"""gRPC ports of the make-believe containers: the health service, and an answer to every other unary call."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import grpc.aio

from helm_safe.sandbox.agent.answers import Answer
from helm_safe.sandbox.agent.server import Face

HEALTH_CHECK = "/grpc.health.v1.Health/Check"
# HealthCheckResponse{status: SERVING} and {status: NOT_SERVING} on the wire: field 1, varint.
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"


class GrpcListener:
    """One gRPC server on one address and port."""

    def __init__(self, server: Any) -> None:
        self._server = server

    async def close(self, drain: float) -> None:
        await self._server.stop(drain or None)


class _Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, face: Face) -> None:
        self._face = face

    def service(self, handler_call_details: Any) -> Any:
        method = handler_call_details.method
        return grpc.unary_unary_rpc_method_handler(self._health if method == HEALTH_CHECK else self._work(method))

    async def _health(self, request: bytes, context: Any) -> bytes:
        path = "/ready" if b"read" in request else "/healthz"
        answer = await self._answer(path, context)
        return SERVING if answer.status == 200 else NOT_SERVING

    def _work(self, method: str) -> Any:
        async def work(_request: bytes, context: Any) -> bytes:
            answer = await self._answer(method, context)
            if answer.status != 200:
                unavailable = answer.status == 503
                code = grpc.StatusCode.UNAVAILABLE if unavailable else grpc.StatusCode.INTERNAL
                await context.abort(code, answer.message)
            return b""

        return work

    async def _answer(self, path: str, context: Any) -> Answer:
        face = self._face
        answer = face.answering.answer("GRPC", path, face.clock.now())
        await asyncio.sleep(answer.delay)
        if answer.log:
            face.say(answer.log)
        await context.send_initial_metadata(tuple(face.headers.items()))
        return answer


async def listen_grpc(address: str, port: int, face: Face) -> GrpcListener:
    """Open a gRPC server without TLS; raises OSError where the address is taken."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((_Handler(face),))
    try:
        bound = server.add_insecure_port(f"{address}:{port}")
    except RuntimeError as error:
        raise OSError(98, "address already in use") from error
    if not bound:
        raise OSError(98, "address already in use")
    await server.start()
    return GrpcListener(server)
