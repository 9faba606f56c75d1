"""The route of the documentation assistant."""

from collections.abc import Sequence

from gateway.contracts.workspace import docs_ask
from gateway.contracts.workspace.values import MAX_BODY_BYTES, Success
from gateway.transcode.routes import Route

ROUTES: Sequence[Route] = (
    Route(
        method="POST",
        path="/api/v1/docs/ask",
        heading="Ask the documentation",
        rpc=docs_ask.ASK,
        body=docs_ask.Question,
        body_limit=MAX_BODY_BYTES,
        handle=docs_ask.answer_ask,
        answer=Success[docs_ask.Answer],
    ),
)
