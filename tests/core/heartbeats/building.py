from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from lumetry_core.heartbeats import machine
from lumetry_core.heartbeats.model import Heartbeat, PingKind

START = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
UUID = "0f2c9a4e-58f3-4a57-9a0e-1f6f1f5a7b11"


def heartbeat(**changes: Any) -> Heartbeat:
    """A heartbeat that never pinged: every 10 minutes, 2 of grace."""
    made = Heartbeat(
        id=5, organization_id=7, uuid=UUID, name="backup", interval_seconds=600, grace_seconds=120, create_time=START, update_time=START
    )
    return replace(made, **changes)


def pinged(now: datetime = START, kind: PingKind = PingKind.SUCCESS, exit_code: int | None = None) -> Heartbeat:
    """The same after its first ping."""
    return machine.ping(heartbeat(), kind, exit_code, None, now).heartbeat


def after(**span: float) -> datetime:
    """So long after the start."""
    return START + timedelta(**span)
