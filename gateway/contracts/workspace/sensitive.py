"""Routes for few calls, of people only: what programs and the impatient are told there (contract workspace 1.5, 1.9)."""

from aiohttp import web

from gateway.contracts.workspace.errors import SENSITIVE
from gateway.contracts.workspace.values import MAX_BODY_BYTES
from gateway.transcode.bodies import read_bytes
from gateway.transcode.channel import Rpc
from gateway.transcode.failures import Failure, Reason
from gateway.transcode.handling import json_response
from gateway.transcode.request import Request
from gateway.transcode.routes import Decode, Encode, Handle


def guard(rpc: Rpc, decode: Decode, encode: Encode, *, message: str, status: int = 200) -> Handle:
    """Answers a sensitive route like any other, except for what programs and the impatient are told.

    The core, which tells who is a program, has one message for all RPCs; it is asked first, and not charged for it.

    Args:
        message: For programs.
    """

    async def answer(request: Request) -> web.StreamResponse:
        request.content = await read_bytes(request.http, MAX_BODY_BYTES, gzip=False)
        try:
            await request.core.check_access(rpc, request.metadata, charged=False)
            try:
                asked = decode(request)
            except Failure:
                await request.core.check_access(rpc, request.metadata, rates=request.rates)  # counts like the call that is not made
                raise
            reply = await request.core.call(rpc, asked, request.metadata, rates=request.rates)
        except Failure as failure:
            raise retell(failure, message) from None
        return json_response(encode(reply, asked), status)

    return answer


def retell(failure: Failure, message: str) -> Failure:
    """The failure in the words of a sensitive route. The caller was found before it, so nothing outranks it."""
    metadata = {**failure.metadata, "limiter": SENSITIVE} if failure.reason is Reason.RATE_LIMITED else failure.metadata
    told = message if failure.reason is Reason.INTERACTIVE_ONLY else failure.message
    return Failure(failure.reason, told, faults=failure.faults, metadata=metadata, from_core=True)
