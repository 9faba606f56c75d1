"""The routes of the work of collectors (contract lumetry 16.3)."""

from gateway.contracts.lumetry import access, collector_work
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.routes import Route
from lumetry.collectors.v1 import collector_service_pb2


def collector_rpc(method: str) -> Rpc:
    """An RPC of the collector service."""
    return find_rpc(collector_service_pb2.DESCRIPTOR, "CollectorService", method)


COMPLETE = collector_rpc("CompleteWork")

COLLECTOR_WORK_ROUTES = (
    Route(
        method="POST",
        path="/v1/collectors/claims",
        heading="Claim work",
        rpc=collector_rpc("ClaimWork"),
        body=collector_work.ClaimBody,
        gzip=True,
        decode=collector_work.decode_claim,
        encode=collector_work.encode_claim,
        answer=collector_work.Claims,
    ),
    Route(
        method="POST",
        path="/v1/collectors/claims/{claimId:uuid}/complete",
        heading="Complete claimed work",
        rpc=COMPLETE,
        body=collector_work.CompletionBody,
        gzip=True,
        decode=collector_work.decode_complete,
        encode=access.encode_nothing,
        existence=(COMPLETE, collector_work.decode_nothing),
        status=204,
    ),
)
