"""Carrying a plan out on a running server: what is there already by name is left as it is."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import starmap

from google.protobuf.duration_pb2 import Duration

from lumetry.certificates.v1 import certificate_service_pb2 as certificates
from lumetry.certificates.v1.certificate_service_pb2_grpc import CertificateServiceStub
from lumetry.endpoints.v1 import endpoint_service_pb2 as endpoints
from lumetry.endpoints.v1.endpoint_service_pb2_grpc import EndpointServiceStub
from lumetry.heartbeats.v1 import heartbeat_pb2, heartbeat_service_pb2
from lumetry.heartbeats.v1.heartbeat_service_pb2_grpc import HeartbeatServiceStub
from lumetry.notifications.v1 import channel_service_pb2 as channels
from lumetry.notifications.v1.channel_service_pb2_grpc import ChannelServiceStub
from lumetry_core.importing.plan import CertificatePlan, ChannelPlan, EndpointPlan, HeartbeatPlan, Item, Kind
from lumetry_core.shell.failures import RefusedError
from lumetry_core.shell.session import Session

AT_ONCE = 8
ORDER = (Kind.CHANNEL, Kind.CERTIFICATE, Kind.ENDPOINT, Kind.HEARTBEAT)
"""Who is to be told comes first; certificates come before endpoints, whose checks would find them by themselves."""


class Fate(StrEnum):
    """What became of an item."""

    CREATED = "created"
    EXISTING = "existing"
    REFUSED = "refused"
    PLANNED = "planned"


@dataclass(frozen=True, slots=True)
class Result:
    """An item and what became of it; `note` is the address of a heartbeat or why an item was refused."""

    item: Item
    fate: Fate
    note: str = ""


async def carry_out(session: Session, items: Sequence[Item], *, is_dry: bool) -> list[Result]:
    """Makes what is not there yet, in the order of kinds.

    Args:
        is_dry: Only look what is there.

    Raises:
        RefusedError: What is there may not be read.
        UnreachableError: The server went away; what was made stays.
    """
    known = await list_known(session, {item.kind for item in items})
    results: list[Result] = []
    for kind in ORDER:
        limit = asyncio.Semaphore(AT_ONCE)
        of_kind = [item for item in items if item.kind is kind]

        async def make(item: Item, limit: asyncio.Semaphore = limit) -> Result:
            if (item.kind, item.title.casefold()) in known:
                return Result(item, Fate.EXISTING)
            if is_dry:
                return Result(item, Fate.PLANNED)
            async with limit:
                try:
                    return Result(item, Fate.CREATED, await create(session, item))
                except RefusedError as refusal:
                    return Result(item, Fate.REFUSED, " ".join(refusal.message.split()))

        results += await asyncio.gather(*map(make, of_kind))
    return results


async def list_known(session: Session, kinds: set[Kind]) -> set[tuple[Kind, str]]:
    """What there is of kinds, by title."""

    async def list_endpoints() -> list[str]:
        asked = endpoints.ListEndpointsRequest(source="standalone", include_inactive=True)
        return [each.name for each in (await session.call(EndpointServiceStub(session.channel).ListEndpoints, asked)).endpoints]

    async def list_heartbeats() -> list[str]:
        asked = heartbeat_service_pb2.ListHeartbeatsRequest()
        return [each.name for each in (await session.call(HeartbeatServiceStub(session.channel).ListHeartbeats, asked)).heartbeats]

    async def list_certificates() -> list[str]:
        asked = certificates.ListCertificateMonitorsRequest()
        answer = await session.call(CertificateServiceStub(session.channel).ListCertificateMonitors, asked)
        return [f"{each.monitor.hostname}:{each.monitor.port}" for each in answer.certificates]

    async def list_channels() -> list[str]:
        asked = channels.ListChannelsRequest()
        return [each.name for each in (await session.call(ChannelServiceStub(session.channel).ListChannels, asked)).channels]

    lists: dict[Kind, Callable[[], Awaitable[list[str]]]] = {
        Kind.CHANNEL: list_channels,
        Kind.CERTIFICATE: list_certificates,
        Kind.ENDPOINT: list_endpoints,
        Kind.HEARTBEAT: list_heartbeats,
    }

    async def read(kind: Kind, names: Callable[[], Awaitable[list[str]]]) -> set[tuple[Kind, str]]:
        return {(kind, name.casefold()) for name in await names()} if kind in kinds else set()

    return set().union(*await asyncio.gather(*starmap(read, lists.items())))


async def create(session: Session, item: Item) -> str:
    """Makes an item; answers where a heartbeat is pinged."""
    channel = session.channel
    match item:
        case ChannelPlan():
            await session.call(ChannelServiceStub(channel).CreateChannel, channels.CreateChannelRequest(channel=to_channel(item)))
        case CertificatePlan():
            asked = certificates.CreateCertificateMonitorRequest(
                hostname=item.hostname,
                port=item.port,
                warning_thresholds=certificates.CertificateThresholds(days=item.warning_thresholds),
            )
            await session.call(CertificateServiceStub(channel).CreateCertificateMonitor, asked)
        case EndpointPlan():
            await session.call(EndpointServiceStub(channel).CreateEndpoint, endpoints.CreateEndpointRequest(endpoint=to_endpoint(item)))
        case HeartbeatPlan():
            draft = heartbeat_pb2.HeartbeatDraft(name=item.name, interval_seconds=item.interval, grace_seconds=item.grace)
            made = await session.call(
                HeartbeatServiceStub(channel).CreateHeartbeat, heartbeat_service_pb2.CreateHeartbeatRequest(heartbeat=draft)
            )
            return f"/ping/{made.heartbeat.uuid}"
    return ""


def to_channel(item: ChannelPlan) -> channels.ChannelPatch:
    """A channel as it is asked for."""
    patch = channels.ChannelPatch(name=item.name, type=item.type, is_enabled=item.is_enabled)
    if item.url:
        patch.url = item.url
    if item.headers:
        patch.headers = json.dumps(dict(item.headers))
    if item.secret:
        patch.secret = item.secret
    if (item.priority, item.chat_id, item.thread_id) != (None, None, None):
        patch.config.CopyFrom(channels.ChannelConfig(priority=item.priority, chat_id=item.chat_id, thread_id=item.thread_id))
    return patch


def to_endpoint(item: EndpointPlan) -> endpoints.EndpointDraft:
    """An endpoint as it is asked for."""
    draft = endpoints.EndpointDraft(
        name=item.name,
        target=item.target,
        endpoint_type=item.endpoint_type,
        interval=Duration(seconds=item.pace.interval),
        timeout=Duration(seconds=item.pace.timeout),
        failure_threshold=item.pace.failure_threshold,
        recovery_threshold=item.pace.recovery_threshold,
    )
    if item.endpoint_type == "http":
        draft.method, draft.expected_status = item.method, item.expected_status
        draft.tls_verify, draft.max_redirects = item.tls_verify, item.max_redirects
        draft.headers.values.update(item.headers)
    return draft
