"""Taking the bytes of an upload: each piece is on its way to the disk before the next one is read."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import structlog

from lumetry_core.files.mime import HEAD_BYTES, Refused, choose_type
from lumetry_core.files.model import MAX_FILE_BYTES, Content
from lumetry_core.files.storage import Storage, Upload
from lumetry_core.runtime.errors import Faults, LumetryError, Reason

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Receiver:
    """One upload."""

    def __init__(self, storage: Storage, upload: Upload, declared: str, file_name: str) -> None:
        self._storage = storage
        self._upload = upload
        self._declared = declared
        self._file_name = file_name
        self._media_type: str | None = None
        self._under_way: asyncio.Future[Any] | None = None
        self._is_kept = False

    async def write(self, data: bytes) -> None:
        """Takes the next bytes. Fails with PAYLOAD_TOO_LARGE, VALIDATION_FAILED for a type that is not allowed, STORE_UNAVAILABLE."""
        if self._upload.size + len(data) > MAX_FILE_BYTES:
            raise too_large()
        await self._run(lambda: self._upload.write(data))
        if self._media_type is None and len(self._upload.head) >= HEAD_BYTES:
            self._judge()

    async def settle(self, organization_id: int) -> Content:
        """Makes all bytes durable at their place. Fails as `write`."""
        if self._media_type is None:
            self._judge()
        await self._run(lambda: self._storage.settle(self._upload, organization_id))
        return Content(self._upload.id, self._upload.size, self._upload.digest.hexdigest(), self._media_type or "")

    async def record(self, record: Coroutine[Any, Any, T]) -> T:
        """Records the bytes, which stay when that succeeds. It is brought to its end even when nobody waits for it any more."""
        self._under_way = task = asyncio.create_task(record)
        task.add_done_callback(self._decide)
        return await asyncio.shield(task)

    def end(self) -> None:
        """Lets go of the bytes, now or when what is under way with them is over."""
        if self._under_way is not None and not self._under_way.done():
            self._under_way.add_done_callback(lambda _done: self._release())
        else:
            self._release()

    def _release(self) -> None:
        self._storage.release(self._upload, keep=self._is_kept)

    def _decide(self, task: asyncio.Task[Any]) -> None:
        failure = asyncio.CancelledError() if task.cancelled() else task.exception()
        is_store = isinstance(failure, LumetryError) and failure.reason is Reason.STORE_UNAVAILABLE
        is_doubtful = is_store or isinstance(failure, asyncio.CancelledError)
        if is_doubtful:
            self._storage.is_doubtful = True  # nobody knows what became of the row: the keeper looks
        self._is_kept = failure is None or is_doubtful

    def _judge(self) -> None:
        self._media_type = check_type(self._declared, self._file_name, self._upload.head)

    async def _run(self, work: Callable[[], None]) -> None:
        self._under_way = asyncio.get_running_loop().run_in_executor(None, work)
        try:
            # Shielded: who gives up does not pull the file from under a thread that writes it.
            await asyncio.shield(self._under_way)
        except OSError as error:
            raise disk_failure(error) from error


@asynccontextmanager
async def receiving(storage: Storage, declared: str, file_name: str) -> AsyncIterator[Receiver]:
    """An upload that leaves nothing behind unless it is kept. Fails with STORE_UNAVAILABLE.

    Args:
        declared: The type that the client says the bytes have.
        file_name: As the client calls the file.
    """
    try:
        upload = await asyncio.to_thread(storage.begin)
    except OSError as error:
        raise disk_failure(error) from error
    receiver = Receiver(storage, upload, declared, file_name)
    try:
        yield receiver
    finally:
        receiver.end()


def check_type(declared: str, file_name: str, head: bytes) -> str:
    """The type of the bytes that begin so. Fails with VALIDATION_FAILED."""
    try:
        return choose_type(declared, file_name, head)
    except Refused as refused:
        faults = Faults()
        faults.add("file", str(refused))
        faults.raise_if_any()
        raise


def too_large() -> LumetryError:
    """The failure of a file above its limit."""
    message = f"The file is larger than {MAX_FILE_BYTES} bytes."
    return LumetryError(Reason.PAYLOAD_TOO_LARGE, message, limit_bytes=str(MAX_FILE_BYTES))


def disk_failure(error: OSError) -> LumetryError:
    """The failure of a disk that takes or gives nothing."""
    log.error("the files directory cannot be used", error=type(error).__name__, number=error.errno)
    return LumetryError(Reason.STORE_UNAVAILABLE, "Files cannot be stored or read at the moment.", retry_after_seconds="1")
