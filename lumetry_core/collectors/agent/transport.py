"""The calls of the published contracts, whatever carries them.

Messages are those of `lumetry.collectors.v1`, `lumetry.hostagents.v1` and `lumetry.metrics.v1`; a transport that does not speak them
translates. Every method raises the `failures.CallError` that fits and nothing else.
"""

from collections.abc import AsyncGenerator
from typing import Protocol

from lumetry.collectors.v1 import collector_service_pb2 as collectors_pb
from lumetry.hostagents.v1 import host_agent_channel_service_pb2 as agents_pb
from lumetry_core.collectors.agent.address import Target

CALL_SECONDS = 15.0
"""How long an answer may take."""


class Transport(Protocol):
    """A way to the product. `secret` is the bearer credential of the call."""

    @property
    def target(self) -> Target:
        """Where it leads."""

    @property
    def can_watch(self) -> bool:
        """Whether `watch` works."""

    async def enroll(self, secret: str, request: collectors_pb.EnrollCollectorRequest) -> collectors_pb.EnrollCollectorResponse:
        """EnrollCollector."""

    async def send_heartbeat(self, secret: str, request: collectors_pb.SendHeartbeatRequest) -> collectors_pb.SendHeartbeatResponse:
        """SendHeartbeat."""

    async def fetch_config(
        self, secret: str, request: collectors_pb.FetchCollectorConfigRequest
    ) -> collectors_pb.FetchCollectorConfigResponse:
        """FetchCollectorConfig."""

    async def rotate_credential(
        self, secret: str, request: collectors_pb.RotateCollectorCredentialRequest
    ) -> collectors_pb.RotateCollectorCredentialResponse:
        """RotateCollectorCredential."""

    async def claim_work(self, secret: str, request: collectors_pb.ClaimWorkRequest) -> collectors_pb.ClaimWorkResponse:
        """ClaimWork."""

    async def complete_work(self, secret: str, request: collectors_pb.CompleteWorkRequest) -> collectors_pb.CompleteWorkResponse:
        """CompleteWork. A ConflictError means that the outcome is to be dropped."""

    def watch(
        self, secret: str, request: collectors_pb.WatchCollectorRequest
    ) -> AsyncGenerator[collectors_pb.WatchCollectorResponse, None]:
        """WatchCollector. The iterator ends only with a CallError or when it is closed."""

    async def upload(self, secret: str, payload: bytes) -> None:
        """Delivers an encoded IngestMetricsRequest, in whichever form; when it returns the points are on the product's stable storage."""

    async def enroll_agent(self, secret: str, request: agents_pb.EnrollHostAgentRequest) -> agents_pb.EnrollHostAgentResponse:
        """EnrollHostAgent."""

    async def send_agent_heartbeat(
        self, secret: str, request: agents_pb.SendHostAgentHeartbeatRequest
    ) -> agents_pb.SendHostAgentHeartbeatResponse:
        """SendHostAgentHeartbeat."""

    async def report_processes(self, secret: str, request: agents_pb.ReportHostProcessesRequest) -> agents_pb.ReportHostProcessesResponse:
        """ReportHostProcesses."""

    async def close(self) -> None:
        """Ends connections; calls under way fail."""
