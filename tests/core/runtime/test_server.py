import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from lumetry.runtime.v1 import status_service_pb2_grpc
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import Server, build_server

STATUS = "lumetry.runtime.v1.StatusService"


async def nobody(origin: Origin) -> Caller:
    raise LumetryError(Reason.UNAUTHENTICATED, "Who?")


def build(address: str = "127.0.0.1:0", *, reflect: bool = False) -> Server:
    servicer = status_service_pb2_grpc.StatusServiceServicer()
    return build_server(
        address, {STATUS: (status_service_pb2_grpc.add_StatusServiceServicer_to_server, servicer)}, {}, nobody, reflect=reflect
    )


async def test_set_serving_tells_health_of_the_whole_and_of_each_service() -> None:
    """Health clients see when calls are taken, by service and for all."""
    server = build()
    await server.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        seen = []
        for serving in (True, False):
            await server.set_serving(serving=serving)
            answers = [await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=10) for name in ("", STATUS)]
            seen.append([health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status) for answer in answers])
    await server.server.stop(None)
    assert seen == [["SERVING", "SERVING"], ["NOT_SERVING", "NOT_SERVING"]]


async def list_services(server: Server) -> list[str]:
    await server.server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            requests = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
            call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(requests, timeout=10)
            return sorted([service.name async for answer in call for service in answer.list_services_response.service])
    finally:
        await server.server.stop(None)


async def test_reflection_lists_the_services_when_it_is_offered() -> None:
    """Tools find every service without its protos."""
    assert await list_services(build(reflect=True)) == [
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
        STATUS,
    ]


async def test_reflection_is_unknown_when_it_is_not_offered() -> None:
    """Without it strangers learn nothing."""
    server = build()
    await server.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        # As a unary call, whose request leaves with its headers: a stream's write may meet the refusal and hide its status.
        call = channel.unary_unary("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call(b"", timeout=10)
    await server.server.stop(None)
    assert failure.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_number_of_methods_costs_a_call_nothing() -> None:
    """The server waits for the next call of any method at once, however many there are."""
    server = build(reflect=True)
    before = len(asyncio.all_tasks())
    await server.server.start()
    waiting = len(asyncio.all_tasks()) - before
    await server.server.stop(None)
    assert waiting <= 2


async def test_build_server_fails_on_an_address_in_use() -> None:
    """Two servers never share a port."""
    first = build()
    await first.server.start()
    with pytest.raises(RuntimeError):
        build(f"127.0.0.1:{first.port}")
    await first.server.stop(None)
