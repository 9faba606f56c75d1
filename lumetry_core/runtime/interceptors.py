"""What happens around every RPC: request context, the caller's right to call, and failures turned into statuses.

A servicer contains none of this. It asks `current_caller()` and lets exceptions pass.
"""

import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Protocol

import grpc
import structlog
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from lumetry.access.v1 import permission_pb2
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.errors import CODE_OF, Fault, LumetryError, Reason
from lumetry_core.runtime.identifiers import new_uuid

log = structlog.get_logger(__name__)

ERROR_DOMAIN = "lumetry"
DIRECT_FAMILY = "lumetry"
USER_CREDENTIALS = frozenset({CredentialKind.INTERACTIVE, CredentialKind.API_TOKEN})
JUDGED_BY_PERMISSION = USER_CREDENTIALS | {CredentialKind.LOG_KEY, CredentialKind.WORKSPACE_KEY}
"""Kinds that carry permissions; the others may do what names their kind."""
INTERACTIVE_ONLY = frozenset({CredentialKind.INTERACTIVE})
BEARER = "bearer "
MAX_FAULT_BYTES = 5_000
"""A status travels as metadata, of which clients take 8 KiB in all, counted after its encoding in Base64."""

_caller: ContextVar[Caller] = ContextVar("caller")
_origin: ContextVar["Origin"] = ContextVar("origin")


class RateClass(StrEnum):
    """Mirrors `lumetry.access.v1.RateClass`."""

    GENERAL = "UNSPECIFIED"
    INGEST = "INGEST"
    SENSITIVE = "SENSITIVE"
    UNLIMITED = "UNLIMITED"


RATE_CLASS_OF: Mapping[int, RateClass] = {
    number: RateClass(name.removeprefix("RATE_CLASS_")) for name, number in permission_pb2.RateClass.items()
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a call comes from. A gateway on this host speaks for its client."""

    request_id: str
    address: str | None
    user_agent: str | None
    secret: str | None
    family: str = DIRECT_FAMILY
    """The contract family that the call came through; direct calls count as the product's own."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call an RPC, read from its method option."""

    any_of: frozenset[Permission]
    credentials: frozenset[CredentialKind]
    public: bool
    scope: str = ""
    step_up: bool = False
    rate: RateClass = RateClass.GENERAL


class Authenticate(Protocol):
    """Finds the caller behind a secret. Raises UNAUTHENTICATED when there is none."""

    async def __call__(self, origin: Origin) -> Caller:
        """Authenticates; `origin.secret` may be None."""


def current_caller() -> Caller:
    """The authenticated caller of the RPC that runs now; only in RPCs that are not public."""
    return _caller.get()


def current_origin() -> Origin:
    """Where the RPC that runs now comes from."""
    return _origin.get()


def read_access(option: permission_pb2.AccessRule) -> Access:
    """Reads a method option; no credential kinds stand for those of users."""
    kinds = frozenset(
        CredentialKind(permission_pb2.CredentialKind.Name(kind).removeprefix("CREDENTIAL_KIND_")) for kind in option.credentials
    )
    return Access(
        any_of=frozenset(PERMISSION_OF[permission] for permission in option.any_of),
        credentials=kinds or USER_CREDENTIALS,
        public=option.public,
        scope=option.scope,
        step_up=option.step_up,
        rate=RATE_CLASS_OF[option.rate],
    )


def check_access(access: Access, caller: Caller) -> None:
    """Fails with PERMISSION_DENIED, INTERACTIVE_ONLY or STEP_UP_REQUIRED unless the caller may call.

    Machine credentials are bound to their RPCs by kind and need no permission there.
    """
    if caller.kind not in access.credentials:
        if access.credentials == INTERACTIVE_ONLY and caller.kind in (CredentialKind.API_TOKEN, CredentialKind.WORKSPACE_KEY):
            raise LumetryError(Reason.INTERACTIVE_ONLY, "Only an interactive login may do this.")
        raise LumetryError(Reason.PERMISSION_DENIED, "This kind of credential may not do this.", permission="")
    if caller.scopes is not None and access.scope not in caller.scopes:
        raise LumetryError(Reason.PERMISSION_DENIED, f"The key lacks the scope {access.scope or 'for this'}.", permission="")
    if caller.kind in JUDGED_BY_PERMISSION and access.any_of and not access.any_of & caller.permissions:
        names = " or ".join(sorted(permission.value for permission in access.any_of))
        raise LumetryError(Reason.PERMISSION_DENIED, f"The permission {names} is missing.", permission=names)
    if access.step_up and not caller.stepped_up:
        raise LumetryError(Reason.STEP_UP_REQUIRED, "Step-up authentication required")


class RequestInterceptor(grpc.aio.ServerInterceptor):
    """Establishes origin and caller, refuses who may not call, and turns every failure into a documented status."""

    def __init__(self, accesses: Mapping[str, Access], open_services: frozenset[str], authenticate: Authenticate) -> None:
        """Builds the interceptor.

        Args:
            accesses: The access of each full method name.
            open_services: Services of the infrastructure (health, reflection) that carry no option and are open to all.
            authenticate: Finds callers.
        """
        self._accesses = accesses
        self._open_services = open_services
        self._authenticate = authenticate

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:  # noqa: ANN401 -- grpc.aio has no types for handlers
        """Wraps the handler of one call."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.split("/")[1] in self._open_services:
            return handler
        if handler.response_streaming:
            return self._wrap_stream(handler, method)
        return self._wrap_unary(handler, method)

    def _wrap_unary(self, handler: Any, method: str) -> Any:  # noqa: ANN401 -- grpc.aio has no types for handlers
        behaviour = handler.stream_unary if handler.request_streaming else handler.unary_unary
        build = grpc.stream_unary_rpc_method_handler if handler.request_streaming else grpc.unary_unary_rpc_method_handler

        async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:  # noqa: ANN401
            try:
                await self._admit(method, context)
                return await behaviour(request, context)
            except Exception as error:  # noqa: BLE001 -- the border: every failure becomes a status
                await abort(context, error, method)

        return build(call, handler.request_deserializer, handler.response_serializer)

    def _wrap_stream(self, handler: Any, method: str) -> Any:  # noqa: ANN401 -- grpc.aio has no types for handlers
        behaviour = handler.stream_stream if handler.request_streaming else handler.unary_stream
        build = grpc.stream_stream_rpc_method_handler if handler.request_streaming else grpc.unary_stream_rpc_method_handler

        async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:  # noqa: ANN401
            try:
                await self._admit(method, context)
                async for response in behaviour(request, context):
                    yield response
            except Exception as error:  # noqa: BLE001 -- the border: every failure becomes a status
                await abort(context, error, method)

        return build(call, handler.request_deserializer, handler.response_serializer)

    async def _admit(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        origin = read_origin(context)
        _origin.set(origin)
        access = self._accesses.get(method)
        if access is None:
            raise LumetryError(Reason.PERMISSION_DENIED, "Nobody may do this.", permission="")
        if access.public:
            return
        caller = await self._authenticate(origin)
        check_access(access, caller)
        _caller.set(caller)


def read_origin(context: grpc.aio.ServicerContext[Any, Any]) -> Origin:
    """Reads request id, address, agent and Bearer secret of a call."""
    entries = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
    peer, by_gateway = read_peer(context.peer())
    authorization = entries.get("authorization", "")
    secret = authorization[len(BEARER) :].strip() if authorization[: len(BEARER)].lower() == BEARER else ""
    return Origin(
        request_id=entries.get("x-request-id") or new_uuid(),
        address=entries.get("x-client-address", peer) if by_gateway else peer,
        user_agent=entries.get("x-client-agent") or entries.get("user-agent"),
        secret=secret or None,
        family=entries.get("x-lumetry-family", DIRECT_FAMILY) if by_gateway else DIRECT_FAMILY,
    )


@lru_cache(maxsize=4096)
def read_peer(peer: str) -> tuple[str | None, bool]:
    """The address of a peer, and whether it is on this host, where gateways speak for their clients."""
    address = peer_address(peer)
    return address, address is None or ipaddress.ip_address(address).is_loopback


def peer_address(peer: str) -> str | None:
    """The IP address in gRPC's description of a peer such as `ipv4:127.0.0.1:5` or `ipv6:[::1]:5`; None for sockets."""
    kind, _, rest = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return None
    host = rest.replace("%5B", "[").replace("%5D", "]").rpartition(":")[0]
    return host.strip("[]").partition("%")[0]


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: Exception, method: str) -> None:
    """Ends a call with the status of its failure; a failure nobody foresaw is logged and shows nothing of itself."""
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if not isinstance(error, LumetryError):
        request_id = _origin.get(Origin("", None, None, None)).request_id
        log.error("unexpected failure", method=method, request_id=request_id, exc_info=error)
        error = LumetryError(Reason.INTERNAL, "Something went wrong on our side.", request_id=request_id)
    status = to_status(error)
    await context.abort(CODE_OF[error.reason], error.message, (("grpc-status-details-bin", status.SerializeToString()),))


def to_status(error: LumetryError) -> status_pb2.Status:
    """The rich status of a failure: one ErrorInfo, and a BadRequest when faults are named."""
    code = CODE_OF[error.reason]
    status = status_pb2.Status(code=code_pb2.Code.Value(code.name), message=error.message)
    details: list[Any] = [error_details_pb2.ErrorInfo(reason=error.reason.value, domain=ERROR_DOMAIN, metadata=error.metadata)]
    if error.faults:
        details.append(to_bad_request(error.faults))
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def to_bad_request(faults: Sequence[Fault]) -> error_details_pb2.BadRequest:
    """The faults in order, as many as a client with the usual limits can receive; the last one tells of the rest."""
    bad_request = error_details_pb2.BadRequest()
    size = 0
    for position, fault in enumerate(faults):
        violation = error_details_pb2.BadRequest.FieldViolation(field=fault.path, description=fault.message)
        size += violation.ByteSize()
        if size > MAX_FAULT_BYTES:
            bad_request.field_violations.add(description=f"{len(faults) - position} more faults")
            break
        bad_request.field_violations.append(violation)
    return bad_request


def contract_name(name: str) -> str:
    """`PERMISSION_CAN_VIEW_ALERTS` as the contract spells it: `CanViewAlerts`."""
    return "".join(word.capitalize() for word in name.removeprefix("PERMISSION_").split("_"))


PERMISSION_OF: Mapping[int, Permission] = {
    number: Permission(contract_name(name)) for name, number in permission_pb2.Permission.items() if number
}
"""The permission behind each enum number."""
NUMBER_OF: Mapping[Permission, int] = {permission: number for number, permission in PERMISSION_OF.items()}
"""The enum number of each permission."""
