"""Giving the bytes of a file: each piece is read when the one before is on its way."""

import asyncio
import os
from collections.abc import AsyncIterator

from lumetry_core.files.model import CHUNK_BYTES, File
from lumetry_core.files.receiving import disk_failure
from lumetry_core.files.storage import Storage


async def sending(storage: Storage, file: File, offset: int, length: int) -> AsyncIterator[bytes]:
    """So many bytes behind an offset, in pieces, at least one, which may be empty. Fails with STORE_UNAVAILABLE."""
    try:
        descriptor = await asyncio.to_thread(storage.open, file.organization_id, file.id)
    except OSError as error:
        raise disk_failure(error) from error
    source = os.fdopen(descriptor, "rb", buffering=0)
    reading: asyncio.Future[bytes] | None = None
    try:
        source.seek(offset)
        while True:
            reading = asyncio.get_running_loop().run_in_executor(None, source.read, min(CHUNK_BYTES, length))
            data = await asyncio.shield(reading)
            if length and not data:
                raise OSError("the file is shorter than it was")  # noqa: TRY301 -- one of the failures of a disk
            length -= len(data)
            yield data
            if not length:
                return
    except OSError as error:
        raise disk_failure(error) from error
    finally:
        # A thread that reads still finds the file open.
        if reading is not None and not reading.done():
            reading.add_done_callback(lambda _read: source.close())
        else:
            source.close()


async def read_head(storage: Storage, file: File, length: int) -> bytes:
    """The first bytes of a file. Fails with STORE_UNAVAILABLE."""
    try:
        return await asyncio.to_thread(storage.read, file.organization_id, file.id, length)
    except OSError as error:
        raise disk_failure(error) from error


def decode_text(head: bytes) -> str:
    """The beginning of a text; a character that is cut off at the end is left out, what is not UTF-8 replaced."""
    for length in range(len(head), max(len(head) - 4, -1), -1):
        try:
            return head[:length].decode().removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            if error.start < length - 3:
                break
    return head.decode(errors="replace").removeprefix("\ufeff")
