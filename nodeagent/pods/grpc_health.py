"""Ask a gRPC server whether it is healthy.

The two messages are so small that their bytes are written here: field 1 of the question is the service's name, field 1
of the answer is 1 where it serves.
Source: github.com/grpc/grpc, doc/health-checking.md.
"""

import grpc.aio

from nodeagent.pods.checks import Outcome

_METHOD = "/grpc.health.v1.Health/Check"
_SERVING = 1


async def check_grpc(host: str, port: int, service: str, timeout_s: float) -> Outcome:
    """Say whether the server at an address serves `service`."""
    name = service.encode()
    question = b"\x0a" + bytes([len(name)]) + name if name else b""
    async with grpc.aio.insecure_channel(f"{host}:{port}") as channel:
        ask = channel.unary_unary(_METHOD, request_serializer=bytes, response_deserializer=bytes)
        try:
            answer: bytes = await ask(question, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            return Outcome(False, f"service unhealthy: {error.code().name}: {error.details()}")
    if len(answer) >= 2 and answer[0] == 0x08 and answer[1] == _SERVING:
        return Outcome(True, "SERVING")
    return Outcome(False, "service unhealthy (responded with a status other than SERVING)")
