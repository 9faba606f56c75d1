"""What happens around every RPC: request context, the caller's right to call and rate, and failures turned into statuses.

A servicer contains none of this. It asks `current_caller()` and lets exceptions pass. One whose requests hold several batches pays for
them with `charge_current()`.
"""

import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import grpc
import structlog

from lumetry.access.v1 import permission_pb2
from lumetry_core.runtime.caller import DIRECT_FAMILY, Caller, CredentialKind, Permission, RateClass
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.failures import CODE_OF, to_status
from lumetry_core.runtime.identifiers import new_uuid
from lumetry_core.runtime.pipeline import watching

log = structlog.get_logger(__name__)

USER_CREDENTIALS = frozenset({CredentialKind.INTERACTIVE, CredentialKind.API_TOKEN})
JUDGED_BY_PERMISSION = USER_CREDENTIALS | {CredentialKind.LOG_KEY, CredentialKind.WORKSPACE_KEY}
"""Kinds that carry permissions; the others may do what names their kind."""
INTERACTIVE_ONLY = frozenset({CredentialKind.INTERACTIVE})
BEARER = "bearer "
RECHECK_SECONDS = 5.0
"""How long a stream may outlive its caller's right to it, besides what authentication takes for granted."""
STARTED = (("x-lumetry-started", "1"),)
"""First metadata of a stream, which tell whoever waits that nothing is missed from now on; those of a refused one say nothing."""

_call: ContextVar["Call"] = ContextVar("call")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a call comes from. A gateway on this host speaks for its client."""

    request_id: str
    address: str | None
    user_agent: str | None
    secret: str | None
    family: str = DIRECT_FAMILY
    """The contract family that the call came through; direct calls count as the product's own."""
    wants_rate: bool = False
    """Whether the answer tells the caller's rate, as gateways want it."""
    is_charged: bool = True
    """False: the call only prepares one that is charged."""
    relay: str | None = None
    """The collector that says to have relayed the call."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call an RPC, read from its method option."""

    any_of: frozenset[Permission]
    credentials: frozenset[CredentialKind]
    public: bool
    scope: str = ""
    step_up: bool = False
    rate: RateClass = RateClass.GENERAL
    key_refusal: str = ""


class Authenticate(Protocol):
    """Finds the caller behind a secret. Raises UNAUTHENTICATED when there is none."""

    async def __call__(self, origin: Origin) -> Caller:
        """Authenticates; `origin.secret` may be None."""


class RateState(NamedTuple):
    """What is left of the caller's rate. `reset` is the Unix time in seconds at which nothing is missing any more."""

    limit: int
    remaining: int
    reset: int


class Limiter(Protocol):
    """Charges calls. Fails with RATE_LIMITED (metadata `retry_after_seconds`, `limit`, `remaining`, `reset`); then nothing was taken."""

    async def charge(self, origin: Origin, rate: RateClass, caller: Caller, cost: int) -> RateState:
        """Charges a caller; a cost of 0 is always granted, a negative one gives back."""

    def charge_stranger(self, origin: Origin) -> RateState:
        """Charges the address of a call without a valid credential."""


class Call:
    """The RPC that runs now: where it comes from, who calls, and what was paid for it."""

    __slots__ = ("_access", "_authenticate", "_caller", "_limiter", "_paid", "origin", "rate_state")

    def __init__(self, origin: Origin, authenticate: Authenticate, limiter: Limiter | None) -> None:
        self.origin = origin
        self.rate_state: RateState | None = None
        self._authenticate = authenticate
        self._limiter = limiter
        self._access: Access | None = None
        self._caller: Caller | None = None
        self._paid = 0

    @property
    def caller(self) -> Caller:
        """Who calls; LookupError in RPCs that are public."""
        if self._caller is None:
            raise LookupError("the RPC is public")
        return self._caller

    async def admit(self, access: Access) -> None:
        """Finds the caller and charges the call, also when the caller may not make it. Fails as authentication, limiter and access do."""
        try:
            caller = await self._authenticate(self.origin)
        except LumetryError as failure:
            if failure.reason is Reason.UNAUTHENTICATED and self._limiter is not None:
                self.rate_state = self._limiter.charge_stranger(self.origin)
            raise
        refusal = find_refusal(access, caller)
        if self._limiter is not None and access.rate is not RateClass.UNLIMITED:
            # A call that ends here prepares none.
            cost = 1 if self.origin.is_charged or refusal is not None else 0
            try:
                self.rate_state = await self._limiter.charge(self.origin, access.rate, caller, cost)
            except LumetryError:
                # Here the right to call comes first (contract workspace 1.6).
                if access.rate is RateClass.SENSITIVE and refusal is not None:
                    raise refusal from None
                raise
            self._paid = cost
        if refusal is not None:
            raise refusal
        self._access, self._caller = access, caller

    async def readmit(self) -> None:
        """Finds the caller anew, for nothing. Does nothing in RPCs that are public."""
        if self._access is not None:
            caller = await self._authenticate(self.origin)
            check_access(self._access, caller)
            self._caller = caller

    async def charge(self, cost: int) -> None:
        """See `charge_current`."""
        if self._limiter is None or self._access is None or self._access.rate is RateClass.UNLIMITED or not self.origin.is_charged:
            return
        paid = min(self._paid, cost)
        self._paid -= paid
        if cost == paid:
            return
        try:
            self.rate_state = await self._limiter.charge(self.origin, self._access.rate, self.caller, cost - paid)
        except LumetryError:
            if paid:
                await self._limiter.charge(self.origin, self._access.rate, self.caller, -paid)
            raise


def current_caller() -> Caller:
    """The authenticated caller of the RPC that runs now; only in RPCs that are not public."""
    return _call.get().caller


def current_origin() -> Origin:
    """Where the RPC that runs now comes from."""
    return _call.get().origin


async def charge_current(cost: int) -> None:
    """Charges the RPC that runs now for `cost` batches, all or none; the first one of a call was charged with its admission.

    Fails with RATE_LIMITED.
    """
    await _call.get().charge(cost)


async def admit_current(access: Access) -> None:
    """Admits the caller of a public RPC as if it had called one with this access. Fails as that one would."""
    await _call.get().admit(access)


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
        rate=RateClass(permission_pb2.RateClass.Name(option.rate).removeprefix("RATE_CLASS_")),
        key_refusal=option.key_refusal,
    )


def check_access(access: Access, caller: Caller) -> None:
    """Fails with PERMISSION_DENIED, INTERACTIVE_ONLY or STEP_UP_REQUIRED unless the caller may call."""
    refusal = find_refusal(access, caller)
    if refusal is not None:
        raise refusal


def find_refusal(access: Access, caller: Caller) -> LumetryError | None:
    """Why the caller may not call; None when it may.

    Machine credentials are bound to their RPCs by kind and need no permission there.
    """
    if caller.kind not in access.credentials:
        if access.credentials == INTERACTIVE_ONLY and caller.kind in (CredentialKind.API_TOKEN, CredentialKind.WORKSPACE_KEY):
            return LumetryError(Reason.INTERACTIVE_ONLY, "Only an interactive login may do this.")
        told = access.key_refusal if caller.kind is CredentialKind.WORKSPACE_KEY else ""
        return LumetryError(Reason.PERMISSION_DENIED, told or "This kind of credential may not do this.", permission="")
    if caller.scopes is not None and access.scope not in caller.scopes:
        return LumetryError(Reason.PERMISSION_DENIED, f"The key lacks the scope {access.scope or 'for this'}.", permission="")
    if caller.kind in JUDGED_BY_PERMISSION and access.any_of and not access.any_of & caller.permissions:
        names = " or ".join(sorted(permission.value for permission in access.any_of))
        return LumetryError(Reason.PERMISSION_DENIED, f"The permission {names} is missing.", permission=names)
    if access.step_up and not caller.stepped_up:
        return LumetryError(Reason.STEP_UP_REQUIRED, "Step-up authentication required")
    return None


class RequestInterceptor(grpc.aio.ServerInterceptor):
    """Establishes origin and caller, refuses who may not call, and turns every failure into a documented status."""

    def __init__(
        self,
        accesses: Mapping[str, Access],
        open_services: frozenset[str],
        authenticate: Authenticate,
        limiter: Limiter | None = None,
        *,
        recheck_seconds: float = RECHECK_SECONDS,
    ) -> None:
        """Builds the interceptor.

        Args:
            accesses: The access of each full method name.
            open_services: Services of the infrastructure (health, reflection) that carry no option and are open to all.
            authenticate: Finds callers.
            limiter: Charges calls; None: nothing is limited.
            recheck_seconds: How often the callers of streams are admitted anew.
        """
        self._accesses = accesses
        self._open_services = open_services
        self._authenticate = authenticate
        self._limiter = limiter
        self._recheck_seconds = recheck_seconds

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
                admitted = await self._admit(method, context)
                if handler.request_streaming:
                    with watching(request, admitted.readmit, self._recheck_seconds) as requests:
                        response = await behaviour(requests, context)
                else:
                    response = await behaviour(request, context)
            except Exception as error:  # noqa: BLE001 -- the border: every failure becomes a status
                await abort(context, error, method)
            tell_rate(context, admitted)
            return response

        return build(call, handler.request_deserializer, handler.response_serializer)

    def _wrap_stream(self, handler: Any, method: str) -> Any:  # noqa: ANN401 -- grpc.aio has no types for handlers
        behaviour = handler.stream_stream if handler.request_streaming else handler.unary_stream
        build = grpc.stream_stream_rpc_method_handler if handler.request_streaming else grpc.unary_stream_rpc_method_handler

        async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:  # noqa: ANN401
            try:
                admitted = await self._admit(method, context)
                messages = request if handler.request_streaming else behaviour(request, context)
                with watching(messages, admitted.readmit, self._recheck_seconds) as watched:
                    async for response in behaviour(watched, context) if handler.request_streaming else watched:
                        yield response
            except Exception as error:  # noqa: BLE001 -- the border: every failure becomes a status
                await abort(context, error, method)
            tell_rate(context, admitted)

        return build(call, handler.request_deserializer, handler.response_serializer)

    async def _admit(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> Call:
        call = Call(read_origin(context), self._authenticate, self._limiter)
        _call.set(call)
        access = self._accesses.get(method)
        if access is None:
            raise LumetryError(Reason.PERMISSION_DENIED, "Nobody may do this.", permission="")
        if not access.public:
            await call.admit(access)
        return call


def tell_rate(context: grpc.aio.ServicerContext[Any, Any], call: Call) -> None:
    """Sends a gateway the caller's rate behind the answer."""
    if call.origin.wants_rate and call.rate_state is not None:
        context.set_trailing_metadata(to_rate_metadata(call.rate_state))


def to_rate_metadata(state: RateState) -> tuple[tuple[str, str], ...]:
    """The caller's rate as gateways read it."""
    return tuple((f"x-ratelimit-{name}", str(value)) for name, value in zip(state._fields, state, strict=True))


def find_rate(call: Call, error: LumetryError) -> RateState | None:
    """The rate at a failure: that of the buckets that refused, else what the call was charged with last."""
    if error.reason is Reason.RATE_LIMITED and "reset" in error.metadata:
        return RateState(*(int(error.metadata[name]) for name in RateState._fields))
    return call.rate_state


def read_origin(context: grpc.aio.ServicerContext[Any, Any]) -> Origin:
    """Reads request id, address, agent and Bearer secret of a call."""
    entries = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
    peer, by_gateway = read_peer(context.peer())
    speaks_for_client = by_gateway and "x-lumetry-family" in entries
    authorization = entries.get("authorization", "")
    secret = authorization[len(BEARER) :].strip() if authorization[: len(BEARER)].lower() == BEARER else ""
    return Origin(
        request_id=entries.get("x-request-id") or new_uuid(),
        address=entries.get("x-client-address", peer) if by_gateway else peer,
        user_agent=entries.get("x-client-agent") or (None if speaks_for_client else entries.get("user-agent")),
        secret=secret or None,
        family=entries.get("x-lumetry-family", DIRECT_FAMILY) if by_gateway else DIRECT_FAMILY,
        wants_rate=speaks_for_client,
        is_charged=not by_gateway or entries.get("x-lumetry-charge") != "0",
        relay=entries.get("x-lumetry-relay"),
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
    call = _call.get(None)
    if not isinstance(error, LumetryError):
        request_id = call.origin.request_id if call is not None else ""
        log.error("unexpected failure", method=method, request_id=request_id, exc_info=error)
        error = LumetryError(Reason.INTERNAL, "Something went wrong on our side.", request_id=request_id)
    status = to_status(error)
    metadata: tuple[tuple[str, str | bytes], ...] = (("grpc-status-details-bin", status.SerializeToString()),)
    rate = find_rate(call, error) if call is not None and call.origin.wants_rate else None
    if rate is not None:
        metadata += to_rate_metadata(rate)
    await context.abort(CODE_OF[error.reason], error.message, metadata)


def contract_name(name: str) -> str:
    """`PERMISSION_CAN_VIEW_ALERTS` as the contract spells it: `CanViewAlerts`."""
    return "".join(word.capitalize() for word in name.removeprefix("PERMISSION_").split("_"))


PERMISSION_OF: Mapping[int, Permission] = {
    number: Permission(contract_name(name)) for name, number in permission_pb2.Permission.items() if number
}
"""The permission behind each enum number."""
NUMBER_OF: Mapping[Permission, int] = {permission: number for number, permission in PERMISSION_OF.items()}
"""The enum number of each permission."""
