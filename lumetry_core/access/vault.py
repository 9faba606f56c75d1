"""Secrets that must be read again, such as those of notification targets, encrypted with a key that is not in the database.

The cipher is loaded with the first secret: cryptography is large, and many deployments have none.
"""

import base64
import os
import secrets
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
FORMAT = b"\x01"
"""AES-256-GCM: this byte, the nonce, the ciphertext with its tag."""
KEY_FILE_NAME = "secret.key"


class VaultError(Exception):
    """Something sealed cannot be opened; the message is for people and holds no secret."""


class KeyFileError(Exception):
    """The key cannot be read or made; the message is for the operator."""


class Vault:
    """Seals texts, and opens what it sealed."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @cached_property
    def _cipher(self) -> "AESGCM":
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 -- see the docstring

        return AESGCM(self._key)

    def seal(self, text: str, context: str = "") -> bytes:
        """Encrypts a text.

        Args:
            context: Whose it is. It must be given again to open it, so that a sealed text is of no use in another place.
        """
        nonce = secrets.token_bytes(NONCE_BYTES)
        return FORMAT + nonce + self._cipher.encrypt(nonce, text.encode(), context.encode())

    def unseal(self, sealed: bytes, context: str = "") -> str:
        """Opens what was sealed with the same key and context. Raises VaultError."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 -- see the docstring

        if not sealed.startswith(FORMAT):
            raise VaultError("The stored secret is of a format that this version does not know.")
        nonce, ciphertext = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, ciphertext, context.encode()).decode()
        except (InvalidTag, ValueError):
            raise VaultError("The stored secret cannot be opened: it was sealed with another key than the one in the key file.") from None


def key_file(data_dir: Path) -> Path:
    """Where the key is unless the operator names another file."""
    return data_dir / KEY_FILE_NAME


def open_vault(data_dir: Path, named: Path | None = None) -> Vault:
    """The vault of a deployment. Raises KeyFileError.

    The key in the data directory is made when it is missing. A file that the operator names is not, as every core would make another one.
    """
    if named is not None:
        return Vault(read_key(named))
    path = key_file(data_dir)
    if not path.exists():
        make_key(path)
    return Vault(read_key(path))


def read_key(path: Path) -> bytes:
    """The key of a file: 32 bytes in Base64. Raises KeyFileError."""
    try:
        key = base64.b64decode(path.read_text().strip(), validate=True)
    except OSError as error:
        raise KeyFileError(f"the secret key file {path} cannot be read: {error.strerror}") from None
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyFileError(f"the secret key file {path} does not hold {KEY_BYTES} bytes in Base64")
    return key


def make_key(path: Path) -> None:
    """Makes a key that its owner alone can read, whole or not at all; one that is there meanwhile stays. Raises KeyFileError."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(6)}")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(part, path)
            except FileExistsError:
                return
        finally:
            part.unlink()
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)  # a key that power loss takes back would lock out what it sealed
        finally:
            os.close(directory)
    except OSError as error:
        raise KeyFileError(f"the secret key file {path} cannot be made: {error.strerror}") from None
