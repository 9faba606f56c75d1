"""Writing requests whose answer names the faults that the gateway found together with those that the core finds."""

from typing import Any

from gateway.transcode.channel import Rpc
from gateway.transcode.failures import Failure, Fault, Reason
from gateway.transcode.request import Request


async def call_checked(request: Request, rpc: Rpc, asked: Any, faults: list[Fault]) -> Any:  # noqa: ANN401 -- messages of the RPC
    """Calls the core or, when fields have wrong types, lets it check the others, so that the answer names every fault.

    Args:
        asked: A message with the field `validate_only`.
    """
    asked.validate_only = bool(faults)
    try:
        reply = await request.core.call(rpc, asked, request.metadata, rates=request.rates)
    except Failure as failure:
        if not faults or failure.reason not in (Reason.VALIDATION_FAILED, Reason.OUT_OF_RANGE):
            raise
        known = {fault.path for fault in faults}
        faults = [*faults, *(fault for fault in failure.faults if fault.path not in known)]
    if faults:
        raise Failure(Reason.VALIDATION_FAILED, "The request is not valid.", faults=tuple(faults), from_core=True)
    return reply
