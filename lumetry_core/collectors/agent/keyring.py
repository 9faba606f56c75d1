"""The secret of the moment, through rotations that may be cut off anywhere.

A fresh secret is on disk next to the old one before it is used. Until the product has taken the fresh one, either may be the valid one: the
old one while the product never saw the fresh one used, the fresh one afterwards.
"""

from collections.abc import Callable, Collection

import msgspec
import structlog

from lumetry_core.collectors.agent.state import Credential

log = structlog.get_logger(__name__)


class Keyring:
    """The candidates for the secret."""

    def __init__(self, credential: Credential, save: Callable[[Credential], None]) -> None:
        """Starts with what is on disk; `save` replaces that durably."""
        self._credential = credential
        self._save = save

    @property
    def credential(self) -> Credential:
        """The credential with its candidates."""
        return self._credential

    def candidates(self) -> tuple[str, ...]:
        """The secrets that may be valid, the freshest first."""
        credential = self._credential
        return (credential.next_secret, credential.secret) if credential.next_secret else (credential.secret,)

    def add(self, secret: str) -> None:
        """Keeps a fresh secret beside the old one. Raises OSError when it cannot be kept; then it is as if it had not come."""
        credential = msgspec.structs.replace(self._credential, next_secret=secret)
        self._save(credential)
        self._credential = credential

    def confirm(self, secret: str) -> None:
        """Notes that the product took the secret. The fresh one then replaces the old one; the old one says nothing of the fresh one."""
        if secret == self._credential.next_secret:
            self._replace(secret)

    def refute(self, refused: Collection[str], taken: str) -> None:
        """Notes that the product refused these and took that one."""
        if self._credential.next_secret in refused and taken == self._credential.secret:
            self._replace(taken)

    def _replace(self, secret: str) -> None:
        self._credential = msgspec.structs.replace(self._credential, secret=secret, next_secret="")
        try:
            self._save(self._credential)
        except OSError as error:
            log.warning("the credential could not be saved, both candidates stay on disk", error=str(error))
