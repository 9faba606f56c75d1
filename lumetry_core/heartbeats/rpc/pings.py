"""`lumetry.heartbeats.v1.PingService`."""

import re
from collections.abc import Mapping
from typing import Any

import grpc

from lumetry.heartbeats.v1 import ping_service_pb2 as pb
from lumetry.heartbeats.v1.ping_service_pb2_grpc import PingServiceServicer
from lumetry_core.heartbeats.model import MAX_EXIT_CODE, Ping, PingKind, Receipt, Verdict
from lumetry_core.heartbeats.service.appender import PingAppender
from lumetry_core.heartbeats.service.pinging import Submission, read_payload
from lumetry_core.runtime.caller import DIRECT_FAMILY
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.interceptors import current_origin

Context = grpc.aio.ServicerContext[Any, Any]

MAX_PINGS = 2_000
MAX_ADDRESS = 64
METHODS = frozenset({"GET", "POST", "HEAD", ""})
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
NOBODY = ""
"""Instead of a text that is no UUID, and so nobody's."""
KINDS: Mapping[int, PingKind] = {pb.PingKind.Value(f"PING_KIND_{kind.name}"): kind for kind in PingKind}
VERDICTS: Mapping[Verdict, pb.PingVerdict.ValueType] = {
    verdict: pb.PingVerdict.Value(f"PING_VERDICT_{verdict.name}") for verdict in Verdict
}


class PingServicer(PingServiceServicer):
    """Takes pings in."""

    def __init__(self, appender: PingAppender) -> None:
        self._append = appender.append

    async def RecordPings(self, request: pb.RecordPingsRequest, context: Context) -> pb.RecordPingsResponse:
        """See the proto."""
        check(request)
        origin = current_origin()
        address = origin.address or ""
        by_gateway = origin.family != DIRECT_FAMILY
        pings = [read_ping(draft, draft.address if by_gateway else address) for draft in request.pings]
        receipts = await self._append(Submission(pings)) if pings else []
        return pb.RecordPingsResponse(results=[encode_receipt(receipt) for receipt in receipts])


def check(request: pb.RecordPingsRequest) -> None:
    """Fails with VALIDATION_FAILED unless all pings can be read."""
    faults = Faults()
    faults.check(len(request.pings) <= MAX_PINGS, "pings", f"must be at most {MAX_PINGS}")
    for position, draft in enumerate(request.pings[:MAX_PINGS]):
        if draft.kind not in KINDS:
            faults.add(f"pings[{position}].kind", "is required")
        if not 0 <= draft.exit_code <= MAX_EXIT_CODE:
            faults.add(f"pings[{position}].exit_code", f"must be between 0 and {MAX_EXIT_CODE}")
        if draft.http_method not in METHODS:
            faults.add(f"pings[{position}].http_method", "must be GET, POST or HEAD")
    faults.raise_if_any()


def read_ping(draft: pb.PingDraft, address: str) -> Ping:
    """A ping as it is recorded."""
    uuid = draft.uuid.lower()
    kind = KINDS[draft.kind]
    return Ping(
        uuid=uuid if UUID.fullmatch(uuid) else NOBODY,
        kind=kind,
        exit_code=draft.exit_code if kind is PingKind.EXIT_CODE else None,
        source_ip=address[:MAX_ADDRESS],
        http_method=draft.http_method,
        payload=read_payload(draft.payload),
    )


def encode_receipt(receipt: Receipt) -> pb.PingResult:
    """What became of a ping."""
    return pb.PingResult(verdict=VERDICTS[receipt.verdict], retry_after_seconds=receipt.retry_after_seconds)
