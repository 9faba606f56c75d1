"""The gRPC server: services with their access rules, health and reflection."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from lumetry.access.v1 import permission_pb2
from lumetry_core.runtime.interceptors import RECHECK_SECONDS, Access, Authenticate, Limiter, RequestInterceptor, read_access
from lumetry_core.runtime.windows import STEADY_WINDOWS

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
OPEN_SERVICES = frozenset({health.SERVICE_NAME, reflection.SERVICE_NAME})


@dataclass(frozen=True, slots=True)
class Server:
    """A server that has been bound but not started. `port` is the one bound."""

    server: grpc.aio.Server
    health: health.aio.HealthServicer
    services: tuple[str, ...]
    port: int

    async def set_serving(self, *, serving: bool) -> None:
        """Tells health clients, for every service and the whole, whether calls are taken."""
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for service in ("", *self.services):
            await self.health.set(service, status)


class Methods(grpc.GenericRpcHandler):
    """Every method of every service, found in one step; generated `add_…Servicer_to_server` take it in place of a server.

    Methods that are registered with the server itself cost each call: it waits for a call of each of them anew, hundreds, after every one.
    """

    def __init__(self) -> None:
        self._handlers: dict[str, Any] = {}

    def add_generic_rpc_handlers(self, generic_rpc_handlers: object) -> None:
        """Does nothing: they hold the same methods."""

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, Any]) -> None:
        """Adds the methods of a service by their short names."""
        self._handlers |= {f"/{service_name}/{name}": handler for name, handler in method_handlers.items()}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:  # noqa: ANN401 -- grpc.aio has no types for handlers
        """The handler of a call; None when there is no such method."""
        return self._handlers.get(handler_call_details.method)


def read_accesses(services: Iterable[str]) -> Mapping[str, Access]:
    """The access of every RPC of the services that states one, by full method name such as `/pkg.Service/Method`."""
    pool = descriptor_pool.Default()
    accesses = {}
    for service in services:
        for method in pool.FindServiceByName(service).methods:
            options = method.GetOptions()
            if options.HasExtension(permission_pb2.access):
                accesses[f"/{service}/{method.name}"] = read_access(options.Extensions[permission_pb2.access])
    return accesses


def build_server(
    address: str,
    services: Mapping[str, Any],
    accesses: Mapping[str, Access],
    authenticate: Authenticate,
    *,
    reflect: bool,
    limiter: Limiter | None = None,
    recheck_seconds: float = RECHECK_SECONDS,
) -> Server:
    """Builds and binds a server.

    Args:
        address: `host:port`; port 0 picks a free one.
        services: For each full service name, a pair of the generated `add_…Servicer_to_server` and the servicer.
        accesses: What `read_accesses` gives for these services.
        authenticate: Finds callers.
        reflect: Whether to offer the reflection service.
        limiter: Charges calls; None: nothing is limited.
        recheck_seconds: How often the callers of streams are admitted anew.

    Raises:
        RuntimeError: The address cannot be bound.
    """
    server = grpc.aio.server(
        interceptors=[RequestInterceptor(accesses, OPEN_SERVICES, authenticate, limiter, recheck_seconds=recheck_seconds)],
        options=[
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ("grpc.so_reuseport", 0),
            *STEADY_WINDOWS,
        ],
    )
    methods = Methods()
    for add, servicer in services.values():
        add(servicer, methods)
    health_servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, methods)
    if reflect:
        reflection.enable_server_reflection((*services, *OPEN_SERVICES), methods)
    server.add_generic_rpc_handlers((methods,))
    port = server.add_insecure_port(address)
    return Server(server, health_servicer, tuple(services), port)
