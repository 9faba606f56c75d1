"""FileService on the wire."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import msgspec

from lumetry.files.v1 import file_pb2
from lumetry.files.v1 import file_service_pb2 as pb
from lumetry.files.v1.file_service_pb2_grpc import FileServiceServicer
from lumetry_core.files.draft import Draft
from lumetry_core.files.model import PREVIEW_BYTES, File, Kind, is_text
from lumetry_core.files.receiving import Receiver, receiving
from lumetry_core.files.sending import decode_text, read_head, sending
from lumetry_core.files.service import reading, writing
from lumetry_core.files.storage import Storage
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults, LumetryError, Reason
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]

KINDS = {Kind.FILE: file_pb2.FILE_KIND_FILE, Kind.FOLDER: file_pb2.FILE_KIND_FOLDER, Kind.LINK: file_pb2.FILE_KIND_LINK}
MADE = {number: kind for kind, number in KINDS.items() if kind is not Kind.FILE}
"""What `CreateFile` makes."""


class FileServicer(FileServiceServicer):
    """Keeps files."""

    def __init__(self, database: Database, clock: Clock, storage: Storage) -> None:
        self._database = database
        self._clock = clock
        self._storage = storage

    async def ListFiles(self, request: pb.ListFilesRequest, context: Context) -> pb.ListFilesResponse:
        """See the proto."""
        async with self._database.read() as tx:
            page = await reading.list_files(
                tx,
                current_caller(),
                page=request.page if request.HasField("page") else None,
                limit=request.limit if request.HasField("limit") else None,
                search=request.search,
                parent_id=request.parent_id,
                project_id=request.project_id,
                session_id=request.session_id,
                incident_id=request.incident_id if request.HasField("incident_id") else None,
                trashed=request.trashed,
            )
        return pb.ListFilesResponse(files=[encode_file(file) for file in page.files], page=page.number, limit=page.limit, total=page.total)

    async def GetFile(self, request: pb.GetFileRequest, context: Context) -> pb.GetFileResponse:
        """See the proto."""
        async with self._database.read() as tx:
            file = await reading.get_file(tx, current_caller(), request.id)
        return pb.GetFileResponse(file=encode_file(file))

    async def PreviewFile(self, request: pb.PreviewFileRequest, context: Context) -> pb.PreviewFileResponse:
        """See the proto."""
        async with self._database.read() as tx:
            file = await reading.get_file(tx, current_caller(), request.id)
        if file.kind is not Kind.FILE or not is_text(file.media_type):
            return pb.PreviewFileResponse(file=encode_file(file))
        head = await read_head(self._storage, file, PREVIEW_BYTES)
        return pb.PreviewFileResponse(file=encode_file(file), content=decode_text(head), truncated=file.size > PREVIEW_BYTES)

    async def DownloadFile(self, request: pb.DownloadFileRequest, context: Context) -> AsyncIterator[pb.DownloadFileResponse]:
        """See the proto."""
        async with self._database.read() as tx:
            file = await reading.get_content(tx, current_caller(), request.id)
        faults = Faults()
        faults.check_range(0 <= request.offset <= file.size, "offset", "must be within the file")
        faults.raise_if_any()
        length = file.size - request.offset
        if request.HasField("length"):
            length = min(max(request.length, 0), length)
        async for data in sending(self._storage, file, request.offset, length):
            yield pb.DownloadFileResponse(data=data)

    async def UploadFile(self, request_iterator: AsyncIterator[pb.UploadFileRequest], context: Context) -> pb.UploadFileResponse:
        """See the proto."""
        caller = current_caller()
        first = await anext(request_iterator, pb.UploadFileRequest())
        if first.WhichOneof("part") != "start":
            raise broken("must begin with its start")
        start = first.start
        async with self._database.read() as tx:
            fields = decode_draft(start.fields)
            await writing.admit_upload(tx, caller, start.file_name, fields, start.announced_bytes, self._clock.now())
        async with receiving(self._storage, start.media_type, start.file_name) as receiver:
            draft = await receive(request_iterator, receiver)
            content = await receiver.settle(caller.organization_id)

            async def keep() -> File:
                async with self._database.write() as tx:
                    return await writing.keep_upload(tx, caller, start.file_name, draft, content, self._clock.now())

            file = await receiver.record(keep())
        return pb.UploadFileResponse(file=encode_file(file))

    async def CreateFile(self, request: pb.CreateFileRequest, context: Context) -> pb.CreateFileResponse:
        """See the proto."""
        draft, caller = decode_draft(request.fields), current_caller()
        kind = MADE.get(request.kind)
        if kind is None:
            raise LumetryError(Reason.VALIDATION_FAILED, "Only folders and links are made so")
        if request.validate_only:
            writing.check_new(kind, draft)
            return pb.CreateFileResponse()
        async with self._database.write() as tx:
            file = await writing.create(tx, caller, kind, draft, self._clock.now())
        return pb.CreateFileResponse(file=encode_file(file))

    async def UpdateFile(self, request: pb.UpdateFileRequest, context: Context) -> pb.UpdateFileResponse:
        """See the proto."""
        draft, caller = decode_draft(request.fields), current_caller()
        names = frozenset(path.removesuffix("_json") for path in request.update_mask.paths)
        if request.validate_only:
            writing.check_change(draft, names)
            return pb.UpdateFileResponse()
        async with self._database.write() as tx:
            file = await writing.update(tx, caller, request.id, draft, names, self._clock.now())
        return pb.UpdateFileResponse(file=encode_file(file))

    async def DeleteFile(self, request: pb.DeleteFileRequest, context: Context) -> pb.DeleteFileResponse:
        """See the proto."""
        caller, purged = current_caller(), list[File]()
        async with self._database.write() as tx:
            if request.permanent:
                purged = await writing.purge(tx, caller, request.id, self._clock.now())
            else:
                await writing.trash(tx, caller, request.id, self._clock.now())
        for file in purged:
            await asyncio.to_thread(self._storage.remove, file.organization_id, file.id)
        return pb.DeleteFileResponse(id=request.id)


async def receive(requests: AsyncIterator[pb.UploadFileRequest], receiver: Receiver) -> Draft:
    """Takes all bytes; the fields that came after them. Fails as the receiver does, and with VALIDATION_FAILED."""
    async for request in requests:
        part = request.WhichOneof("part")
        if part == "end":
            return decode_draft(request.end.fields)
        if part != "data":
            raise broken("has something else between its start and its end")
        await receiver.write(request.data)
    raise broken("has no end")


def broken(fault: str) -> LumetryError:
    """The failure of an upload that does not hold together."""
    return LumetryError(Reason.VALIDATION_FAILED, f"The upload {fault}")


def decode_draft(fields: file_pb2.FileFields) -> Draft:
    """The fields as they were sent."""

    def read(name: str) -> Any:  # noqa: ANN401 -- texts and numbers
        return getattr(fields, name) if fields.HasField(name) else None  # type: ignore[arg-type]

    return Draft(
        name=read("name"),
        project_id=read("project_id"),
        session_id=read("session_id"),
        incident_id=read("incident_id"),
        parent_id=read("parent_id"),
        metadata=read("metadata_json"),
        url=read("url"),
    )


def encode_file(file: File) -> file_pb2.File:
    """A file."""
    return file_pb2.File(
        id=file.id,
        organization_id=file.organization_id,
        owner_id=file.owner_id,
        project_id=file.project_id,
        session_id=file.session_id,
        incident_id=file.incident_id,
        parent_id=file.parent_id,
        name=file.name,
        kind=KINDS[file.kind],
        media_type=file.media_type,
        size_bytes=file.size,
        sha256=file.sha256,
        url=file.url,
        metadata_json=msgspec.json.encode(file.metadata).decode(),
        create_time=encode_time(file.create_time),
        update_time=encode_time(file.update_time),
        trash_time=None if file.trash_time is None else encode_time(file.trash_time),
    )
