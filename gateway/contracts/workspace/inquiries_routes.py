"""The route of enterprise inquiries (contract workspace 14)."""

from collections.abc import Sequence

from gateway.contracts.workspace import inquiries
from gateway.contracts.workspace.values import MAX_BODY_BYTES, Success
from gateway.transcode.routes import Route

ROUTES: Sequence[Route] = (
    Route(
        method="POST",
        path="/api/v1/enterprise-inquiry",
        heading="Send an enterprise inquiry",
        rpc=inquiries.SEND,
        body=inquiries.InquiryBody,
        body_limit=MAX_BODY_BYTES,
        handle=inquiries.answer_send_inquiry,
        status=201,
        answer=Success[inquiries.ReceivedInquiry],
    ),
)
