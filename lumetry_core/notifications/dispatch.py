"""Dispatches: one event for one channel or webhook, and what became of it (contract monitoring 13)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lumetry_core.notifications.destinations import TargetKey


class DispatchStatus(StrEnum):
    """What became of a dispatch."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """A row of the outbox for channels and webhooks.

    Args:
        id: In the order in which they were made.
        key: UUID that receivers know a repetition by.
        event: As the body names it.
        subject: What must arrive in order, such as `alert:12`; None: nothing.
        attempts: All that were made.
        next_attempt_time: From when on it may be sent; None unless pending.
        lease_owner: The process that sends it, until `lease_time`.
        body: The bytes of the JSON that is told, the same in every attempt; None once it is over.
        is_test: Sent once at somebody's wish.
    """

    id: int
    key: str
    target: TargetKey
    event: str
    subject: str | None
    alert_id: int | None
    status: DispatchStatus = DispatchStatus.PENDING
    attempts: int = 0
    response_status: int | None = None
    error: str | None = None
    next_attempt_time: datetime | None
    lease_owner: str | None = None
    lease_time: datetime | None = None
    create_time: datetime
    deliver_time: datetime | None = None
    body: bytes | None
    is_test: bool = False

    @property
    def organization_id(self) -> int:
        """Whose it is."""
        return self.target.organization_id


@dataclass(frozen=True, slots=True)
class DispatchPage:
    """A part of what a target was told, newest first."""

    dispatches: tuple[Dispatch, ...]
    has_more: bool
