"""Bytes of files on the disk.

An upload lies below `incoming` and is locked by whoever writes it for as long as its outcome is open; what is not locked there belongs to
nobody. The lock goes with the file when it is moved to its place, so that bytes whose row is not committed yet are not taken for left over.
All functions block: callers run them in threads.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lumetry_core.files.mime import HEAD_BYTES
from lumetry_core.runtime.identifiers import new_uuid

INCOMING = "incoming"
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700


@dataclass(slots=True)
class Upload:
    """Bytes that arrive."""

    id: str
    path: Path
    descriptor: int
    size: int = 0
    head: bytes = b""
    digest: Any = field(default_factory=hashlib.sha256)

    def write(self, data: bytes) -> None:
        """Adds bytes. Raises OSError."""
        if len(self.head) < HEAD_BYTES:
            self.head += data[: HEAD_BYTES - len(self.head)]
        self.digest.update(data)
        self.size += len(data)
        left = memoryview(data)
        while left:
            left = left[os.write(self.descriptor, left) :]


@dataclass(slots=True)
class Storage:
    """The files directory. Several cores of one database share it."""

    root: Path
    is_doubtful: bool = True
    """Bytes may lie there that belong to no file, as at the start of a process."""

    def begin(self) -> Upload:
        """Begins an upload. Raises OSError."""
        folder = self.root / INCOMING
        make_folder(folder)
        while True:
            upload_id = new_uuid()
            path = folder / upload_id
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
            if lock(descriptor) and os.fstat(descriptor).st_nlink:
                return Upload(upload_id, path, descriptor)
            os.close(descriptor)  # somebody who cleans up was quicker

    def settle(self, upload: Upload, organization_id: int) -> None:
        """Makes the bytes durable and moves them to their place. Raises OSError."""
        os.fsync(upload.descriptor)
        target = self.place(organization_id, upload.id)
        make_folder(target.parent)
        upload.path.rename(target)
        upload.path = target
        for folder in (target.parent, target.parent.parent, self.root):
            sync_folder(folder)

    def release(self, upload: Upload, *, keep: bool) -> None:
        """Ends an upload: its bytes stay, or nothing of it does."""
        if not keep:
            with suppress(OSError):
                upload.path.unlink(missing_ok=True)
        os.close(upload.descriptor)

    def place(self, organization_id: int, file_id: str) -> Path:
        """Where the bytes of a file are."""
        return self.root / str(organization_id) / file_id[:2] / file_id

    def open(self, organization_id: int, file_id: str) -> int:
        """A descriptor to read from. Raises OSError."""
        return os.open(self.place(organization_id, file_id), os.O_RDONLY | os.O_CLOEXEC)

    def read(self, organization_id: int, file_id: str, length: int) -> bytes:
        """The first bytes of a file. Raises OSError."""
        with self.place(organization_id, file_id).open("rb") as file:
            return file.read(length)

    def remove(self, organization_id: int, file_id: str) -> None:
        """Drops the bytes of a file, if they are there."""
        with suppress(OSError):
            self.place(organization_id, file_id).unlink(missing_ok=True)

    def drop_broken(self) -> int:
        """Drops uploads that nobody writes any more; how many there were."""
        return sum(drop_unlocked(path) for path in list_folder(self.root / INCOMING))

    def list_places(self, organization_id: int) -> Iterator[str]:
        """The UUIDs of an organization under which bytes lie."""
        for folder in list_folder(self.root / str(organization_id)):
            for path in list_folder(folder):
                yield path.name

    def is_settled(self, organization_id: int, file_id: str) -> bool:
        """Whether bytes lie at their place whose upload is over."""
        try:
            descriptor = self.open(organization_id, file_id)
        except OSError:
            return False
        try:
            return lock(descriptor)
        finally:
            os.close(descriptor)


def lock(descriptor: int) -> bool:
    """Locks an open file until it is closed; False when another has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def drop_unlocked(path: Path) -> bool:
    """Drops a file that nobody has locked."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if not lock(descriptor):
            return False
        path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
    return True


def list_folder(path: Path) -> list[Path]:
    """What is in a folder; nothing when it is not there."""
    try:
        return sorted(path.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def make_folder(path: Path) -> None:
    """Makes a folder, and those above it that are missing, for this user alone."""
    for folder in reversed((path, *path.parents)):
        folder.mkdir(PRIVATE_FOLDER, exist_ok=True)


def sync_folder(path: Path) -> None:
    """Makes names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
