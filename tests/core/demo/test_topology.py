from collections.abc import AsyncIterator

import grpc
import pytest

from lumetry.topology.v1.topology_service_pb2 import ImportTopologyRequest, ImportTopologyResponse
from lumetry_core.demo.topology import host_topology, push_topology
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.topology.rpc.topology import decode_import
from lumetry_core.topology.service.importing import apply_import

METADATA = (("authorization", "Bearer demo"),)
SERVICE = "lumetry.topology.v1.TopologyService"
WANTED = host_topology("df5d2cfc", "web-1")


class FakeCore:
    """Takes pushes."""

    def __init__(self) -> None:
        self.pushed: list[tuple[object, ImportTopologyRequest]] = []

    async def ImportTopology(  # noqa: N802 -- a generated name
        self, request: ImportTopologyRequest, context: grpc.aio.ServicerContext[ImportTopologyRequest, ImportTopologyResponse]
    ) -> ImportTopologyResponse:
        self.pushed.append((dict(context.invocation_metadata() or ())["authorization"], request))
        return ImportTopologyResponse()


@pytest.fixture
async def core() -> AsyncIterator[tuple[FakeCore, grpc.aio.Channel]]:
    """A server that takes pushes, and a channel to it."""
    servicer, server = FakeCore(), grpc.aio.server()
    method = grpc.unary_unary_rpc_method_handler(
        servicer.ImportTopology, ImportTopologyRequest.FromString, ImportTopologyResponse.SerializeToString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"ImportTopology": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield servicer, channel
    await server.stop(None)


async def test_push_topology_sends_the_host(core: tuple[FakeCore, grpc.aio.Channel]) -> None:
    """The push is made in the name of the demo's token."""
    servicer, channel = core
    await push_topology(channel, METADATA, WANTED)
    assert servicer.pushed == [("Bearer demo", WANTED)]


async def test_host_topology_is_legal(database: Database, clock: Clock) -> None:
    """The import accepts it, and changes nothing the second time."""
    async with database.write() as tx:
        first = await apply_import(tx, system_caller(1), decode_import(WANTED), clock.now())
        second = await apply_import(tx, system_caller(1), decode_import(WANTED), clock.now())
    assert (first.replayed, first.nodes.created, first.edges.created) == (False, 3, 2)
    assert second.replayed
