"""InquiryService on the wire."""

from typing import Any

import grpc

from lumetry.inquiries.v1 import inquiry_service_pb2 as pb
from lumetry.inquiries.v1.inquiry_service_pb2_grpc import InquiryServiceServicer
from lumetry_core.access.service.rates import AddressLimiter
from lumetry_core.inquiries import service
from lumetry_core.inquiries.model import InquiryDraft, read_inquiry
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.identifiers import new_uuid
from lumetry_core.runtime.interceptors import current_origin
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]


class InquiryServicer(InquiryServiceServicer):
    """Takes inquiries."""

    def __init__(self, database: Database, clock: Clock, limiter: AddressLimiter) -> None:
        self._database = database
        self._clock = clock
        self._limiter = limiter

    async def SendInquiry(self, request: pb.SendInquiryRequest, context: Context) -> pb.SendInquiryResponse:
        """See the proto."""
        origin, now = current_origin(), self._clock.now()
        self._limiter.charge(origin.address)
        draft = InquiryDraft(**{name: getattr(request, name) for name in InquiryDraft.__dataclass_fields__})
        if request.validate_only or request.website:
            read_inquiry(draft)
            return pb.SendInquiryResponse(id="" if request.validate_only else new_uuid(), receive_time=encode_time(now))
        async with self._database.write() as tx:
            inquiry = await service.receive(tx, draft, origin.address, origin.user_agent, now)
        return pb.SendInquiryResponse(id=inquiry.id, receive_time=encode_time(inquiry.receive_time))
