"""Enterprise inquiries (contract workspace 14)."""

from typing import Any

import msgspec
from aiohttp import web

from gateway.contracts.workspace.values import Success, Time, read_object
from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Failure, Fault, Reason
from gateway.transcode.handling import json_response
from gateway.transcode.reading import read_body
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.inquiries.v1 import inquiry_service_pb2 as pb

SEND = find_rpc(pb.DESCRIPTOR, "InquiryService", "SendInquiry")
HONEYPOT = "website"


class InquiryBody(msgspec.Struct, rename="camel"):
    """What may be sent; name, email, company and message are required. `website` is left empty by people, who do not see it."""

    name: str = ""
    email: str = ""
    company: str = ""
    message: str = ""
    job_title: str = ""
    phone: str = ""
    country: str = ""
    company_size: str = ""
    website: str = ""


class ReceivedInquiry(msgspec.Struct, rename="camel"):
    """What became of an inquiry."""

    id: str
    received_at: Time


async def answer_send_inquiry(request: Request) -> web.StreamResponse:
    """14 `POST /enterprise-inquiry`; what is wrong with the body costs a call as well, and is told after the limiter."""
    try:
        data = await read_object(request)
    except Failure as failure:
        if failure.reason is not Reason.PAYLOAD_TOO_LARGE:
            await count(request)
        raise
    faults: list[Fault] = []
    asked = read_inquiry(data, faults)
    reply = await send(request, asked, faults)
    return json_response(
        Success(ReceivedInquiry(id=reply.id, received_at=format_time(reply.receive_time))),
        web.HTTPCreated.status_code,
    )


def read_inquiry(data: dict[str, Any], faults: list[Fault]) -> pb.SendInquiryRequest:
    """An inquiry; texts of a wrong type are noted and left out. Whatever is in the honeypot but nothing marks a program."""
    body = read_body(InquiryBody, {name: value for name, value in data.items() if name != HONEYPOT}, faults)
    return pb.SendInquiryRequest(
        name=body.name,
        email=body.email,
        company=body.company,
        message=body.message,
        job_title=body.job_title,
        phone=body.phone,
        country=body.country,
        company_size=body.company_size,
        website="" if data.get(HONEYPOT) in (None, "") else "filled",
        validate_only=bool(faults),
    )


async def count(request: Request) -> None:
    """Charges a call whose body cannot be read. Fails when there are too many."""
    try:
        await request.core.call(SEND, pb.SendInquiryRequest(validate_only=True), request.metadata, rates=request.rates)
    except Failure as failure:
        if failure.reason is not Reason.VALIDATION_FAILED:
            raise


async def send(request: Request, asked: pb.SendInquiryRequest, faults: list[Fault]) -> pb.SendInquiryResponse:
    """Calls the core, which also checks what faults leave, so that the answer names them all."""
    try:
        reply: pb.SendInquiryResponse = await request.core.call(SEND, asked, request.metadata, rates=request.rates)
    except Failure as failure:
        if not faults or failure.reason is not Reason.VALIDATION_FAILED:
            raise
        known = {fault.path for fault in faults}
        faults = [*faults, *(fault for fault in failure.faults if fault.path not in known)]
    if faults:
        raise Failure(Reason.VALIDATION_FAILED, "The request is not valid.", faults=tuple(faults), from_core=True)
    return reply
