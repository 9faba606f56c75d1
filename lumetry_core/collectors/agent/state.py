"""What the collector keeps between its runs."""

import fcntl
import hashlib
import os
import uuid
from pathlib import Path
from typing import IO

import msgspec


class StateError(Exception):
    """The state directory cannot be used; its text is for people."""


class Credential(msgspec.Struct, frozen=True):
    """What enrollment gave. `token_digest` recognises the enrollment token it was given for."""

    collector_id: str
    secret: str
    heartbeat_interval_seconds: int
    token_digest: str


class State:
    """An open state directory, which one process at a time may use."""

    def __init__(self, folder: Path) -> None:
        """Opens the directory, making it if need be. Raises StateError."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock: IO[bytes] = (folder / "lock").open("wb")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise StateError(f"Another collector uses {folder}.") from None
        except OSError as error:
            raise StateError(f"{folder} cannot be used: {error.strerror}.") from error
        self.folder = folder

    @property
    def installation_id(self) -> str:
        """The UUID of this installation, made once."""
        path = self.folder / "installation-id"
        if not path.exists():
            write_private(path, str(uuid.uuid4()).encode())
        return path.read_text().strip()

    def load_credential(self) -> Credential | None:
        """The kept credential; None when there is none or it cannot be read."""
        try:
            return msgspec.json.decode((self.folder / "credential.json").read_bytes(), type=Credential)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def save_credential(self, credential: Credential) -> None:
        """Keeps the credential, readable by its owner only."""
        write_private(self.folder / "credential.json", msgspec.json.encode(credential))

    def close(self) -> None:
        """Lets others use the directory."""
        self._lock.close()


def digest_token(token: str) -> str:
    """What is kept of an enrollment token."""
    return hashlib.sha256(token.encode()).hexdigest()


def write_private(path: Path, content: bytes) -> None:
    """Replaces a file durably with one of mode 0600."""
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
