"""Routes of files, in the order of their document."""

from collections.abc import Sequence

from gateway.contracts.workspace import files, files_download, files_upload
from gateway.contracts.workspace.values import MAX_BODY_BYTES, Deleted, Success
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.routes import Route
from lumetry.files.v1 import file_service_pb2


def file_rpc(method: str) -> Rpc:
    """An RPC of the file service."""
    return find_rpc(file_service_pb2.DESCRIPTOR, "FileService", method)


ROUTES: Sequence[Route] = (
    Route(
        method="GET",
        path="/api/v1/files",
        heading="List files",
        rpc=file_rpc("ListFiles"),
        query=files.FileQuery,
        decode=files.decode_list_files,
        encode=files.encode_list_files,
        answer=Success[files.FilePage],
    ),
    Route(
        method="POST",
        path="/api/v1/files",
        heading="Upload a file, make a folder or a link",
        rpc=files_upload.UPLOAD,
        body=files.FileBody,
        body_limit=MAX_BODY_BYTES,
        handle=files_upload.answer_post_file,
        status=201,
        answer=Success[files.File],
    ),
    Route(
        method="GET",
        path="/api/v1/files/{id:key}",
        heading="Read a file",
        rpc=files_download.GET,
        query=files_download.FileQuery,
        handle=files_download.answer_get_file,
        answer=Success[files.File],
    ),
    Route(
        method="GET",
        path="/api/v1/files/{id:key}/preview",
        heading="Preview a file",
        rpc=file_rpc("PreviewFile"),
        decode=files.decode_preview_file,
        encode=files.encode_preview_file,
        answer=Success[files.Preview],
    ),
    Route(
        method="PATCH",
        path="/api/v1/files/{id:key}",
        heading="Change a file",
        rpc=files.UPDATE,
        body=files.FilePatch,
        body_limit=MAX_BODY_BYTES,
        handle=files.answer_update_file,
        answer=Success[files.File],
    ),
    Route(
        method="DELETE",
        path="/api/v1/files/{id:key}",
        heading="Delete a file",
        rpc=file_rpc("DeleteFile"),
        query=files.DeletionQuery,
        decode=files.decode_delete_file,
        encode=files.encode_delete_file,
        answer=Success[Deleted],
    ),
)
