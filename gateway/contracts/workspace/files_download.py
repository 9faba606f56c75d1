"""Bytes of files (contract workspace 6): whole or one range, never in a way in which a browser would run them."""

import asyncio
import re
from collections.abc import Mapping
from typing import NamedTuple

import grpc
import msgspec
import structlog
from aiohttp import web

from gateway.contracts.workspace.files import KIND, encode_file, has_no_content
from gateway.contracts.workspace.values import Success
from gateway.transcode.channel import UNCHARGED, find_rpc
from gateway.transcode.disposition import write_disposition
from gateway.transcode.entity_tags import is_known
from gateway.transcode.failures import from_rpc
from gateway.transcode.handling import json_response
from gateway.transcode.request import Request
from gateway.transcode.streams import WRITE_SECONDS
from lumetry.files.v1 import file_pb2
from lumetry.files.v1 import file_service_pb2 as pb

log = structlog.get_logger(__name__)

GET = find_rpc(pb.DESCRIPTOR, "FileService", "GetFile")
DOWNLOAD = find_rpc(pb.DESCRIPTOR, "FileService", "DownloadFile")
INLINE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "text/plain"})
RANGE = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*", re.ASCII | re.IGNORECASE)


class FileQuery(msgspec.Struct):
    """How a file is read."""

    download: bool = False
    inline: bool = False


class Span(NamedTuple):
    """A part of a file."""

    offset: int
    length: int


class NotSatisfiable(Exception):  # noqa: N818 -- an outcome
    """The part that was asked for is behind the end."""


def decode_get_file(request: Request) -> pb.GetFileRequest:
    """6 `GET /files/{id}`."""
    return pb.GetFileRequest(id=request.uuid("id"))


async def answer_get_file(request: Request) -> web.StreamResponse:
    """6 `GET /files/{id}`: the record, or the bytes."""
    query = request.query(FileQuery)
    reply = await request.core.call(GET, decode_get_file(request), request.metadata, rates=request.rates)
    file: file_pb2.File = reply.file
    if not query.download and not query.inline:
        return json_response(Success(encode_file(file)))
    if KIND[file.kind] != "file":
        raise has_no_content(file)
    headers = describe(request, file, is_inline=query.inline and not query.download)
    if is_known(request.http.headers.get("If-None-Match", ""), headers["ETag"]):
        return web.Response(status=web.HTTPNotModified.status_code, headers=headers)
    try:
        span = find_span(request.http.headers, file.size_bytes, headers["ETag"])
    except NotSatisfiable:
        return refuse_range(file.size_bytes)
    status = 200
    if span is None:
        span = Span(0, file.size_bytes)
    else:
        status = web.HTTPPartialContent.status_code
        headers["Content-Range"] = f"bytes {span.offset}-{span.offset + span.length - 1}/{file.size_bytes}"
    headers["Content-Length"] = str(span.length)
    if request.http.method == "HEAD":
        return web.Response(status=status, headers=headers)
    return await send(request, file, span, status, headers)


def describe(request: Request, file: file_pb2.File, *, is_inline: bool) -> dict[str, str]:
    """The headers under which bytes are safe wherever they are opened."""
    shown = is_inline and file.media_type in INLINE_TYPES
    return {
        "Content-Type": "text/plain; charset=utf-8" if shown and file.media_type == "text/plain" else file.media_type,
        "Content-Disposition": write_disposition("inline" if shown else "attachment", file.name),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "ETag": f'"{file.sha256}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-store",
        "X-Request-Id": request.request_id,
        **request.family.cross_origin.find_headers(request.http),
    }


def find_span(headers: Mapping[str, str], size: int, tag: str) -> Span | None:
    """The range that is asked for; None: everything, also when several are, or when they belong to other bytes.

    Raises:
        NotSatisfiable: It is behind the end.
    """
    match = RANGE.fullmatch(headers.get("Range", ""))
    if match is None or headers.get("If-Range", tag) != tag or not (match[1] or match[2]):
        return None
    if not match[1]:
        length = min(int(match[2]), size)
        if not length:
            raise NotSatisfiable
        return Span(size - length, length)
    first, last = int(match[1]), int(match[2]) if match[2] else size - 1
    if match[2] and last < first:
        return None
    if first >= size:
        raise NotSatisfiable
    return Span(first, min(last, size - 1) - first + 1)


def refuse_range(size: int) -> web.Response:
    """The answer to a range behind the end."""
    error = {"code": "VALIDATION_ERROR", "message": f"Range: the file has {size} bytes"}
    status = web.HTTPRequestRangeNotSatisfiable.status_code
    return json_response({"success": False, "error": error}, status, [("Content-Range", f"bytes */{size}")])


async def send(request: Request, file: file_pb2.File, span: Span, status: int, headers: Mapping[str, str]) -> web.StreamResponse:
    """Passes bytes on as the core gives them and the client takes them; nothing waits here."""
    asked = pb.DownloadFileRequest(id=file.id, offset=span.offset, length=span.length)
    call = request.core.watch(DOWNLOAD, asked, (*request.metadata, *UNCHARGED))
    response = web.StreamResponse(status=status, headers=headers)
    try:
        async for piece in call:
            if not response.prepared:  # what fails before the first piece is answered as usual
                await response.prepare(request.http)
            async with asyncio.timeout(WRITE_SECONDS):
                await response.write(piece.data)
        await response.write_eof()
    except grpc.aio.AioRpcError as error:
        if not response.prepared:
            raise from_rpc(error) from None
        log.warning("a file could not be sent to its end", code=error.code().name, request_id=request.request_id)
        break_off(request)
    except TimeoutError:
        break_off(request)
    finally:
        call.cancel()
    return response


def break_off(request: Request) -> None:
    """Cuts the connection, so that the client does not take a part for the whole."""
    if request.http.transport is not None:
        request.http.transport.abort()
