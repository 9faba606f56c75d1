"""Uploads (contract workspace 6): the parts of a form go on to the core while they arrive, and never wait here."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiohttp import BodyPartReader, ClientPayloadError, MultipartReader, web
from aiohttp.http_exceptions import BadHttpMessage

from gateway.contracts.workspace.files import answer_create_file, encode_file, file_fault, read_fields
from gateway.contracts.workspace.values import MAX_BODY_BYTES, Success
from gateway.transcode.bodies import invite_body, parse_json, too_large
from gateway.transcode.channel import Sending, find_rpc
from gateway.transcode.disposition import Disposition, read_disposition
from gateway.transcode.failures import Failure, Fault, malformed_body, validation_failure
from gateway.transcode.handling import json_response
from gateway.transcode.request import INTEGER, Request
from lumetry.files.v1 import file_pb2
from lumetry.files.v1 import file_service_pb2 as pb

UPLOAD = find_rpc(pb.DESCRIPTOR, "FileService", "UploadFile")
FORM = "multipart/form-data"
MAX_FILE_BYTES = 104_857_600
MAX_FRAME_BYTES = 65_536
"""What boundaries and the heads of parts may take."""
MAX_FORM_BYTES = MAX_FILE_BYTES + MAX_BODY_BYTES + MAX_FRAME_BYTES
CHUNK_BYTES = 65_536
READ_SECONDS = 60.0
"""A client that sends nothing for so long is gone."""
PLAIN_ENCODINGS = frozenset({"", "7bit", "8bit", "binary"})
FIELDS = frozenset({"name", "projectId", "sessionId", "incidentId", "parentId", "metadata"})

T = TypeVar("T")


async def answer_post_file(request: Request) -> web.StreamResponse:
    """6 `POST /files`: an upload as a form, a folder or link in JSON."""
    if media_of(request) == FORM:
        return await answer_upload(request)
    return await answer_create_file(request)


def media_of(request: Request) -> str:
    """The media type of the body."""
    return request.http.headers.get("Content-Type", "").partition(";")[0].strip().lower()


async def answer_upload(request: Request) -> web.StreamResponse:
    """6 a file in a form, its fields before or behind it."""
    length = request.http.content_length
    if length is not None and length > MAX_FORM_BYTES:
        raise too_large(MAX_FILE_BYTES)
    if request.http.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise malformed_body("Content-Encoding is not accepted here.")
    await invite_body(request.http)
    texts, sending = dict[str, str](), None
    room = MAX_BODY_BYTES
    try:
        async with reading():
            async for disposition, part in read_parts(request):
                if disposition.name != "file":
                    text = await read_text(part, room)
                    room -= len(text)
                    if disposition.name in FIELDS:
                        texts[disposition.name] = decode_text(text, disposition.name)
                elif sending is not None:
                    raise file_fault("must be sent exactly once")
                else:
                    sending = request.core.send(UPLOAD, request.metadata)
                    await sending.put(pb.UploadFileRequest(start=begin(request, disposition, part, texts)))
                    await pass_on(part, sending)
        if sending is None:
            raise file_fault("is required")
        await sending.put(pb.UploadFileRequest(end=pb.UploadEnd(fields=read_form(texts))))
        reply = await sending.finish(request.rates)
    finally:
        if sending is not None:
            sending.cancel()
    return json_response(Success(encode_file(reply.file)), web.HTTPCreated.status_code)


@asynccontextmanager
async def reading() -> AsyncIterator[None]:
    """Turns what a form that cannot be read raises into its failure. A client that is gone stays gone."""
    try:
        yield
    except (AssertionError, BadHttpMessage, LookupError, RuntimeError, ValueError) as error:
        raise malformed_body("The form cannot be read.") from error
    except ClientPayloadError as error:
        raise ConnectionResetError("the client left in the middle of its body") from error


async def read_parts(request: Request) -> AsyncIterator[tuple[Disposition, BodyPartReader]]:
    """The parts of a form with what they say of themselves."""
    reader = MultipartReader(request.http.headers, request.http.content)
    while (part := await in_time(reader.next())) is not None:
        if not isinstance(part, BodyPartReader):
            raise malformed_body("A part of the form has parts of its own.")
        if part.headers.get("Content-Transfer-Encoding", "").strip().lower() not in PLAIN_ENCODINGS or "Content-Encoding" in part.headers:
            raise malformed_body("A part of the form is encoded.")
        disposition = read_disposition(part.headers.get("Content-Disposition", ""))
        if disposition is None:
            raise malformed_body("A part of the form has no name.")
        yield disposition, part


async def in_time(step: Awaitable[T]) -> T:
    """What a client sends next. Fails with MALFORMED_BODY when nothing comes."""
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await step
    except TimeoutError as error:
        raise malformed_body("The body stopped in the middle.") from error


async def read_text(part: BodyPartReader, room: int) -> bytes:
    """A part that is no file, of at most so many bytes."""
    text = b""
    while chunk := await in_time(part.read_chunk(CHUNK_BYTES)):
        text += chunk
        if len(text) > room:
            raise too_large(MAX_BODY_BYTES)
    return text


async def pass_on(part: BodyPartReader, sending: Sending) -> None:
    """Sends the core the bytes of the file as they come."""
    size = 0
    while chunk := await in_time(part.read_chunk(CHUNK_BYTES)):
        size += len(chunk)
        if size > MAX_FILE_BYTES:
            raise too_large(MAX_FILE_BYTES)
        for start in range(0, len(chunk), CHUNK_BYTES):
            await sending.put(pb.UploadFileRequest(data=chunk[start : start + CHUNK_BYTES]))


def begin(request: Request, disposition: Disposition, part: BodyPartReader, texts: dict[str, str]) -> pb.UploadStart:
    """What is known of a file before its bytes are."""
    if not disposition.file_name:
        raise file_fault("must have a file name")
    length = request.http.content_length or 0
    return pb.UploadStart(
        file_name=disposition.file_name,
        media_type=part.headers.get("Content-Type", "").encode(errors="replace").decode(),
        announced_bytes=max(length - MAX_BODY_BYTES - MAX_FRAME_BYTES, 0),
        fields=read_form(texts),
    )


def read_form(texts: dict[str, str]) -> file_pb2.FileFields:
    """The fields of a form; those without text are not there."""
    data: dict[str, Any] = {name: text for name, text in texts.items() if text}
    faults: list[Fault] = []
    if "incidentId" in data:
        if INTEGER.fullmatch(data["incidentId"]):
            data["incidentId"] = int(data["incidentId"])
        else:
            faults.append(Fault("incidentId", "must be a whole number"))
            del data["incidentId"]
    if "metadata" in data:
        try:
            data["metadata"] = parse_json(data["metadata"].encode())
        except Failure:
            faults.append(Fault("metadata", "must be JSON"))
            del data["metadata"]
    fields = read_fields(data, faults)
    if faults:
        raise validation_failure(tuple(faults))
    return fields


def decode_text(text: bytes, name: str) -> str:
    """A text of a form."""
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise validation_failure((Fault(name, "must be UTF-8"),)) from error
