"""The documentation assistant (contract workspace 13)."""

import msgspec
from aiohttp import web

from gateway.contracts.workspace.values import MAX_BODY_BYTES, Success, read_limit
from gateway.transcode.bodies import read_bytes
from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Failure
from gateway.transcode.handling import json_response
from gateway.transcode.request import Request
from lumetry.documentation.v1 import documentation_service_pb2 as pb

ASK = find_rpc(pb.DESCRIPTOR, "DocumentationService", "AskDocumentation")
UNKNOWN = "I do not know. The documentation does not cover this question."
PAGES = "/docs/"
SOMETHING = "any"
"""A question that has no faults of its own."""


class Question(msgspec.Struct, rename="camel"):
    """A question."""

    question: str
    max_citations: int | None = None


class Sentence(msgspec.Struct):
    """A sentence of the documentation, and which citations hold it."""

    text: str
    citations: list[int]


class Citation(msgspec.Struct):
    """A place in the documentation."""

    title: str
    url: str
    excerpt: str


class Answer(msgspec.Struct):
    """What the documentation says."""

    question: str
    answered: bool
    answer: str
    sentences: list[Sentence]
    citations: list[Citation]


async def answer_ask(request: Request) -> web.StreamResponse:
    """13 `POST /docs/ask`. A credential that is sent is judged before the body is, as anywhere."""
    request.content = await read_bytes(request.http, MAX_BODY_BYTES, gzip=False)
    try:
        body = request.body(Question)
    except Failure:
        asked = pb.AskDocumentationRequest(question=SOMETHING, validate_only=True)
        await request.core.call(ASK, asked, request.metadata, rates=request.rates)
        raise
    asked = pb.AskDocumentationRequest(question=body.question, max_citations=read_limit(body.max_citations))
    reply = await request.core.call(ASK, asked, request.metadata, rates=request.rates)
    return json_response(encode_answer(reply, body.question))


def encode_answer(reply: pb.AskDocumentationResponse, question: str) -> Success[Answer]:
    """13 the answer."""
    return Success(
        Answer(
            question=question,
            answered=reply.answered,
            answer=" ".join(sentence.text for sentence in reply.sentences) if reply.answered else UNKNOWN,
            sentences=[Sentence(sentence.text, list(sentence.citations)) for sentence in reply.sentences],
            citations=[Citation(citation.title, f"{PAGES}{citation.path}", citation.excerpt) for citation in reply.citations],
        )
    )
