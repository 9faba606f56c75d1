"""`lumetry.endpoints.v1.EndpointService`."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import timedelta
from typing import Any

import grpc

from lumetry.endpoints.v1 import endpoint_service_pb2 as pb
from lumetry.endpoints.v1.endpoint_service_pb2_grpc import EndpointServiceServicer
from lumetry_core.endpoints.model import EndpointType, Filter, Source, Status
from lumetry_core.endpoints.rpc.messages import decode_draft, encode_check, encode_days, encode_endpoint, encode_uptime
from lumetry_core.endpoints.sealing import Rules
from lumetry_core.endpoints.service import reading, standalone
from lumetry_core.rules.choices import find_choice
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.errors import Faults, not_found
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import decode_time

Context = grpc.aio.ServicerContext[Any, Any]
FindContainers = Callable[[Transaction, int, Collection[int]], Awaitable[Mapping[int, object]]]
"""Containers of an organization by number, which the area of containers knows."""

DEFAULT_CHECKS, MOST_CHECKS = 50, 500
DEFAULT_DAYS, MOST_DAYS = 90, 365


class EndpointServicer(EndpointServiceServicer):
    """Serves endpoints."""

    def __init__(self, database: Database, clock: Clock, rules: Rules, checks_days: int, find_containers: FindContainers) -> None:
        """Builds the servicer.

        Args:
            database: Where everything is.
            clock: The time.
            rules: What the deployment says of endpoints.
            checks_days: How long checks are kept.
            find_containers: Asks the area of containers.
        """
        self._database = database
        self._clock = clock
        self._rules = rules
        self._checks_kept = timedelta(days=checks_days)
        self._find_containers = find_containers

    async def ListEndpoints(self, request: pb.ListEndpointsRequest, context: Context) -> pb.ListEndpointsResponse:
        """See the proto."""
        faults = Faults()
        wanted = Filter(
            status=find_choice(Status, request.status, "status", faults),
            container_name=request.container_name if request.HasField("container_name") else None,
            orchestration_group=request.orchestration_group if request.HasField("orchestration_group") else None,
            endpoint_type=find_choice(EndpointType, request.endpoint_type, "type", faults),
            source=find_choice(Source, request.source, "source", faults),
            includes_inactive=request.include_inactive,
        )
        faults.raise_if_any()
        async with self._database.read() as tx:
            found = await reading.list_endpoints(tx, current_caller().organization_id, wanted)
        return pb.ListEndpointsResponse(endpoints=[encode_endpoint(endpoint) for endpoint in found])

    async def GetEndpoint(self, request: pb.GetEndpointRequest, context: Context) -> pb.GetEndpointResponse:
        """See the proto."""
        organization_id = current_caller().organization_id
        async with self._database.read() as tx:
            found = await reading.get_endpoint(tx, organization_id, request.id)
            uptime = await reading.read_uptime(tx, organization_id, request.id, self._checks_kept, self._clock.now())
        return pb.GetEndpointResponse(endpoint=encode_endpoint(found), uptime=encode_uptime(uptime))

    async def CreateEndpoint(self, request: pb.CreateEndpointRequest, context: Context) -> pb.CreateEndpointResponse:
        """See the proto."""
        draft = decode_draft(request.endpoint)
        async with self._database.write() as tx:
            created = await standalone.create_endpoint(tx, current_caller(), draft, self._rules, self._clock.now())
        return pb.CreateEndpointResponse(endpoint=encode_endpoint(created))

    async def UpdateEndpoint(self, request: pb.UpdateEndpointRequest, context: Context) -> pb.UpdateEndpointResponse:
        """See the proto."""
        draft = decode_draft(request.endpoint)
        async with self._database.write() as tx:
            changed = await standalone.update_endpoint(tx, current_caller(), request.id, draft, self._rules, self._clock.now())
        return pb.UpdateEndpointResponse(endpoint=encode_endpoint(changed))

    async def DeleteEndpoint(self, request: pb.DeleteEndpointRequest, context: Context) -> pb.DeleteEndpointResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await standalone.delete_endpoint(tx, current_caller(), request.id, self._clock.now())
        return pb.DeleteEndpointResponse()

    async def ListEndpointChecks(self, request: pb.ListEndpointChecksRequest, context: Context) -> pb.ListEndpointChecksResponse:
        """See the proto."""
        faults = Faults()
        since = decode_time(request.since, "since", faults) if request.HasField("since") else None
        limit = bounded(request.limit, DEFAULT_CHECKS, MOST_CHECKS, "limit", faults)
        faults.check(request.offset >= 0, "offset", "must be at least 0")
        faults.raise_if_any()
        async with self._database.read() as tx:
            page = await reading.list_checks(tx, current_caller().organization_id, request.endpoint_id, since, limit, request.offset)
        return pb.ListEndpointChecksResponse(checks=[encode_check(check) for check in page.checks], total=page.total)

    async def ListEndpointDays(self, request: pb.ListEndpointDaysRequest, context: Context) -> pb.ListEndpointDaysResponse:
        """See the proto."""
        faults = Faults()
        days = bounded(request.days, DEFAULT_DAYS, MOST_DAYS, "days", faults)
        faults.raise_if_any()
        async with self._database.read() as tx:
            found = await reading.list_days(tx, current_caller().organization_id, request.endpoint_id, days, self._clock.now())
        return pb.ListEndpointDaysResponse(days=encode_days(found))

    async def ListRecentResponses(self, request: pb.ListRecentResponsesRequest, context: Context) -> pb.ListRecentResponsesResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await reading.list_recent(tx, current_caller().organization_id)
        return pb.ListRecentResponsesResponse(
            endpoints=[pb.RecentResponses(endpoint_id=number, response_ms=times) for number, times in found.items()]
        )

    async def ListContainerEndpoints(
        self, request: pb.ListContainerEndpointsRequest, context: Context
    ) -> pb.ListContainerEndpointsResponse:
        """See the proto."""
        organization_id = current_caller().organization_id
        async with self._database.read() as tx:
            if request.container_id not in await self._find_containers(tx, organization_id, [request.container_id]):
                raise not_found("Container", request.container_id)
            found = await reading.list_container_endpoints(tx, organization_id, request.container_id)
        return pb.ListContainerEndpointsResponse(endpoints=[encode_endpoint(endpoint) for endpoint in found])


def bounded(value: int, default: int, most: int, path: str, faults: Faults) -> int:
    """A number of a list, 0 meaning the default."""
    faults.check(0 <= value <= most, path, f"must be between 1 and {most}")
    return value or default
