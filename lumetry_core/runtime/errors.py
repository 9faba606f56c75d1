"""How the core fails: one exception with a reason; interceptors turn it into a gRPC status.

Verbs raise `LumetryError`; nothing between them and the interceptor catches it. Validation collects every fault in `Faults` before
anything is written.
"""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Mirrors `lumetry.error.v1.ErrorReason`, where each reason is described, without its prefix."""

    INTERNAL = "INTERNAL"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    INTERACTIVE_ONLY = "INTERACTIVE_ONLY"
    NOT_FOUND = "NOT_FOUND"
    VALIDATION_FAILED = "VALIDATION_FAILED"
    CONFLICT = "CONFLICT"
    UNKNOWN_DICTIONARY = "UNKNOWN_DICTIONARY"
    OVERLOADED = "OVERLOADED"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    RATE_LIMITED = "RATE_LIMITED"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    MALFORMED_BODY = "MALFORMED_BODY"
    ROUTE_NOT_FOUND = "ROUTE_NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    STEP_UP_REQUIRED = "STEP_UP_REQUIRED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    DUPLICATE_NAME = "DUPLICATE_NAME"
    QUOTA_EXHAUSTED = "QUOTA_EXHAUSTED"
    LENGTH_REQUIRED = "LENGTH_REQUIRED"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    INVALID_ID = "INVALID_ID"
    HTTPS_REQUIRED = "HTTPS_REQUIRED"
    AGENT_DISABLED = "AGENT_DISABLED"
    RELAY_REQUIRED = "RELAY_REQUIRED"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a request: where, as a JSON path of the contract (empty: the whole), and what."""

    path: str
    message: str


class LumetryError(Exception):
    """A failure with a reason that callers can act on.

    Not a frozen dataclass: context managers assign `__traceback__`.
    """

    def __init__(self, reason: Reason, message: str, *, faults: tuple[Fault, ...] = (), **metadata: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.faults = faults
        self.metadata = metadata


class Faults:
    """Collects everything wrong with a request, so that one answer names it all."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._are_ranges = True

    def add(self, path: str, message: str) -> None:
        """Notes a fault."""
        self._faults.append(Fault(path, message))
        self._are_ranges = False

    def check(self, holds: bool, path: str, message: str) -> None:  # noqa: FBT001 -- reads as an assertion
        """Notes a fault unless the condition holds."""
        if not holds:
            self.add(path, message)

    def check_range(self, holds: bool, path: str, message: str) -> None:  # noqa: FBT001 -- as above
        """Notes a number or date outside its range unless the condition holds; some contracts answer these differently."""
        if not holds:
            self._faults.append(Fault(path, message))

    def __bool__(self) -> bool:
        return bool(self._faults)

    def raise_if_any(self, message: str = "The request is not valid.") -> None:
        """Fails with VALIDATION_FAILED when anything was noted, with OUT_OF_RANGE when nothing but ranges was."""
        if self._faults:
            reason = Reason.OUT_OF_RANGE if self._are_ranges else Reason.VALIDATION_FAILED
            raise LumetryError(reason, message, faults=tuple(self._faults))


def not_found(kind: str, identity: object) -> LumetryError:
    """The failure for an identity that the caller's organization does not have. `kind` as people say it, e.g. `Alert`."""
    return LumetryError(Reason.NOT_FOUND, f"{kind} {identity} does not exist.", type=kind, id=str(identity))
