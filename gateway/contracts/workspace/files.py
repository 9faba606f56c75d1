"""Files (contract workspace 6): what is asked and answered in JSON. Bytes travel in `files_bytes`."""

import json
from typing import Any, Literal

import msgspec
from aiohttp import web
from google.protobuf.field_mask_pb2 import FieldMask

from gateway.contracts.workspace.values import Deleted, Success, Time, identity_of, read_limit, read_object
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.failures import Failure, Fault, Reason, validation_failure
from gateway.transcode.handling import json_response
from gateway.transcode.reading import read_body
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.files.v1 import file_pb2
from lumetry.files.v1 import file_service_pb2 as pb

CREATE = find_rpc(pb.DESCRIPTOR, "FileService", "CreateFile")
UPDATE = find_rpc(pb.DESCRIPTOR, "FileService", "UpdateFile")
Asked = pb.CreateFileRequest | pb.UpdateFileRequest
Reply = pb.CreateFileResponse | pb.UpdateFileResponse

KIND = {file_pb2.FILE_KIND_FILE: "file", file_pb2.FILE_KIND_FOLDER: "folder", file_pb2.FILE_KIND_LINK: "link"}
SOURCE = {file_pb2.FILE_KIND_FILE: "upload", file_pb2.FILE_KIND_FOLDER: "folder", file_pb2.FILE_KIND_LINK: "link"}
MADE = {"folder": file_pb2.FILE_KIND_FOLDER, "link": file_pb2.FILE_KIND_LINK}
UPLOAD = "upload"
METADATA = "metadata"
WIRE_NAMES = {
    "name": "name",
    "parentId": "parent_id",
    "projectId": "project_id",
    "sessionId": "session_id",
    "incidentId": "incident_id",
    METADATA: "metadata_json",
}
"""The fields that a PATCH can change, as the core names them."""
LARGEST_INT64 = 2**63 - 1


class FileQuery(msgspec.Struct, rename="camel"):
    """Which files are listed."""

    page: int | None = None
    limit: int | None = None
    search: str = ""
    parent_id: str = ""
    project_id: str = ""
    session_id: str = ""
    incident_id: int | None = None
    trashed: bool = False


class DeletionQuery(msgspec.Struct):
    """How a file is deleted."""

    permanent: bool = False


class FilePatch(msgspec.Struct, rename="camel"):
    """What may be changed of a file."""

    name: str | None = None
    parent_id: str | None = None
    project_id: str | None = None
    session_id: str | None = None
    incident_id: int | None = None
    metadata: dict[str, Any] | None = None


class FileBody(FilePatch, rename="camel"):
    """A folder or a link to make."""

    source: str | None = None
    url: str | None = None


class File(msgspec.Struct, rename="camel"):
    """A file, folder or link."""

    id: str
    org_id: str
    user_id: str | None
    project_id: str | None
    session_id: str | None
    incident_id: int | None
    parent_id: str | None
    name: str
    kind: Literal["file", "folder", "link"]
    mime_type: str | None
    size: int
    sha256: str | None
    source: Literal["upload", "folder", "link"]
    url: str | None
    metadata: dict[str, Any]
    created_at: Time
    updated_at: Time
    trashed_at: Time | None


class FilePage(msgspec.Struct, rename="camel"):
    """1.8: a numbered page of files."""

    items: list[File]
    page: int
    limit: int
    total: int
    has_more: bool


class TextPreview(msgspec.Struct, tag_field="kind", tag="text"):
    """The beginning of a text."""

    content: str
    truncated: bool


class ImagePreview(msgspec.Struct, tag_field="kind", tag="image"):
    """Where an image is shown."""

    url: str


class NoPreview(msgspec.Struct, tag_field="kind", tag="none"):
    """Nothing that could be shown."""


Preview = TextPreview | ImagePreview | NoPreview


def decode_list_files(request: Request) -> pb.ListFilesRequest:
    """6 `GET /files`."""
    query = request.query(FileQuery)
    return pb.ListFilesRequest(
        page=clamp(query.page),
        limit=read_limit(query.limit),
        search=query.search,
        parent_id=query.parent_id.lower(),
        project_id=query.project_id,
        session_id=query.session_id.lower(),
        incident_id=clamp(query.incident_id),
        trashed=query.trashed,
    )


def encode_list_files(reply: pb.ListFilesResponse, _asked: object) -> Success[FilePage]:
    """6 a page of files."""
    items = [encode_file(file) for file in reply.files]
    has_more = reply.page * reply.limit < reply.total
    return Success(FilePage(items=items, page=reply.page, limit=reply.limit, total=reply.total, has_more=has_more))


def decode_preview_file(request: Request) -> pb.PreviewFileRequest:
    """6 `GET /files/{id}/preview`."""
    return pb.PreviewFileRequest(id=request.uuid("id"))


def encode_preview_file(reply: pb.PreviewFileResponse, _asked: object) -> Success[Preview]:
    """6 what can be shown of a file."""
    if reply.HasField("content"):
        return Success(TextPreview(reply.content, reply.truncated))
    if reply.file.media_type.startswith("image/"):
        return Success(ImagePreview(f"/api/v1/files/{reply.file.id}?inline=true"))
    return Success(NoPreview())


def decode_delete_file(request: Request) -> pb.DeleteFileRequest:
    """6 `DELETE /files/{id}`."""
    return pb.DeleteFileRequest(id=request.uuid("id"), permanent=request.query(DeletionQuery).permanent)


def encode_delete_file(reply: pb.DeleteFileResponse, _asked: object) -> Success[Deleted]:
    """6 the deletion."""
    return Success(Deleted(id=reply.id))


async def answer_create_file(request: Request) -> web.StreamResponse:
    """6 `POST /files` in JSON: a folder or a link."""
    data, faults = await read_object(request), list[Fault]()
    source = data.get("source")
    if source == UPLOAD:
        raise Failure(Reason.VALIDATION_FAILED, "Use multipart/form-data to upload")
    if not isinstance(source, str) or source not in MADE:
        faults.append(Fault("source", "must be folder or link"))
    asked = pb.CreateFileRequest(kind=MADE.get(str(source), file_pb2.FILE_KIND_FOLDER), fields=read_fields(data, faults))
    reply = await write(request, CREATE, asked, faults)
    return json_response(Success(encode_file(reply.file)), web.HTTPCreated.status_code)


async def answer_update_file(request: Request) -> web.StreamResponse:
    """6 `PATCH /files/{id}`: what appears is changed, what is `null` is cleared."""
    data, faults = await read_object(request), list[Fault]()
    paths = [wire for name, wire in WIRE_NAMES.items() if name in data]
    asked = pb.UpdateFileRequest(id=request.uuid("id"), fields=read_fields(data, faults), update_mask=FieldMask(paths=paths))
    return json_response(Success(encode_file((await write(request, UPDATE, asked, faults)).file)))


async def write(request: Request, rpc: Rpc, asked: Asked, faults: list[Fault]) -> Reply:
    """Calls the core or, when fields have wrong types, lets it check the others, so that the answer names every fault."""
    asked.validate_only = bool(faults)
    try:
        reply: Reply = await request.core.call(rpc, asked, request.metadata, rates=request.rates)
    except Failure as failure:
        if not faults or failure.reason not in (Reason.VALIDATION_FAILED, Reason.OUT_OF_RANGE):
            raise
        known = {fault.path for fault in faults}
        faults = [*faults, *(fault for fault in failure.faults if fault.path not in known)]
    if faults:
        raise Failure(Reason.VALIDATION_FAILED, "The request is not valid.", faults=tuple(faults), from_core=True)
    return reply


def read_fields(data: dict[str, Any], faults: list[Fault]) -> file_pb2.FileFields:
    """The writable fields of a body; those of a wrong type are noted and left out."""
    body = read_body(FileBody, {name: value for name, value in data.items() if name not in (METADATA, "source")}, faults)
    metadata = data.get(METADATA)
    return file_pb2.FileFields(
        name=body.name,
        project_id=lowered(body.project_id),
        session_id=lowered(body.session_id),
        incident_id=clamp(body.incident_id),
        parent_id=lowered(body.parent_id),
        metadata_json=None if metadata is None else read_metadata(metadata, faults),
        url=body.url,
    )


def read_metadata(value: object, faults: list[Fault]) -> str | None:
    """An object of the caller's as compact JSON; None when it is noted as faulty."""
    if not isinstance(value, dict):
        faults.append(Fault(METADATA, "must be an object"))
        return None
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        faults.append(Fault(METADATA, "must hold finite numbers only"))
        return None


def lowered(identity: str | None) -> str | None:
    """A UUID or slug as the core knows it."""
    return None if identity is None else identity.lower()


def clamp(number: int | None) -> int | None:
    """A number as the core takes it, whose range the core judges."""
    return None if number is None else max(-LARGEST_INT64, min(number, LARGEST_INT64))


def has_no_content(file: file_pb2.File) -> Failure:
    """The failure of asking a folder or link for bytes."""
    return Failure(Reason.VALIDATION_FAILED, f"A {KIND[file.kind]} has no content", from_core=True)


def file_fault(message: str) -> Failure:
    """The failure of the part that carries the file."""
    return validation_failure((Fault("file", message),))


def encode_file(file: file_pb2.File) -> File:
    """6 one file."""
    return File(
        id=file.id,
        org_id=identity_of("organization", file.organization_id),
        user_id=identity_of("user", file.owner_id) if file.HasField("owner_id") else None,
        project_id=file.project_id if file.HasField("project_id") else None,
        session_id=file.session_id if file.HasField("session_id") else None,
        incident_id=file.incident_id if file.HasField("incident_id") else None,
        parent_id=file.parent_id if file.HasField("parent_id") else None,
        name=file.name,
        kind=KIND[file.kind],  # type: ignore[arg-type]
        mime_type=file.media_type or None,
        size=file.size_bytes,
        sha256=file.sha256 or None,
        source=SOURCE[file.kind],  # type: ignore[arg-type]
        url=file.url or None,
        metadata=msgspec.json.decode(file.metadata_json),
        created_at=format_time(file.create_time),
        updated_at=format_time(file.update_time),
        trashed_at=format_time(file.trash_time) if file.HasField("trash_time") else None,
    )
