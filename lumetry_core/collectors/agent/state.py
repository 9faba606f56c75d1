"""What the collector keeps between its runs."""

import fcntl
import hashlib
import os
import uuid
from enum import StrEnum
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from lumetry_core.collectors.agent.buffer import sync_folder
from lumetry_core.collectors.agent.timing import Anchor
from lumetry_core.collectors.agent.wanted import Wanted

Kept = TypeVar("Kept")


class StateError(Exception):
    """The state directory cannot be used; its text is for people."""


class Mode(StrEnum):
    """What the installation is enrolled as."""

    COLLECTOR = "collector"
    AGENT = "agent"


class Credential(msgspec.Struct, frozen=True):
    """What enrollment gave. It says nothing of where the product is: addresses change, and identity stays."""

    collector_id: str
    """UUID of the collector; of an agent its key."""
    secret: str
    heartbeat_interval_seconds: int
    token_digest: str
    """Recognises the enrollment token that the credential was given for."""
    mode: Mode = Mode.COLLECTOR
    next_secret: str = ""
    """Of a rotation under way: the fresh secret. Which of both the product takes shows when they are used."""
    agent_id: int = 0
    """Of an agent: its number."""


class AppliedConfig(msgspec.Struct, frozen=True):
    """A configuration with its revision; 0: nobody has given it."""

    revision: int = 0
    wanted: Wanted = Wanted()
    collector_id: str = ""
    """Whose it is: another enrollment has another configuration."""


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
        return read_json(self.folder / "credential.json", Credential)

    @property
    def has_credential_file(self) -> bool:
        """Whether a credential is kept, be it readable or not."""
        return (self.folder / "credential.json").exists()

    def save_credential(self, credential: Credential) -> None:
        """Keeps the credential, readable by its owner only."""
        write_private(self.folder / "credential.json", msgspec.json.encode(credential))

    def load_config(self) -> AppliedConfig | None:
        """The configuration that was applied last; None when there is none or it cannot be read."""
        return read_json(self.folder / "config.json", AppliedConfig)

    def save_config(self, config: AppliedConfig) -> None:
        """Keeps the configuration for a start without server."""
        write_private(self.folder / "config.json", msgspec.json.encode(config))

    def load_anchor(self) -> Anchor | None:
        """The first anchor of the newest boot that had one; None when there is none or it cannot be read."""
        return read_json(self.folder / "clock.json", Anchor)

    def save_anchor(self, anchor: Anchor) -> None:
        """Keeps the anchor."""
        write_private(self.folder / "clock.json", msgspec.json.encode(anchor))

    def close(self) -> None:
        """Lets others use the directory."""
        self._lock.close()


def read_json(path: Path, kind: type[Kept]) -> Kept | None:
    """What is kept in a file; None when there is none or it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


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
    sync_folder(path.parent)
