from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from lumetry_core.alerts.model import Alert, Closing, Opening
from lumetry_core.alerts.service.retention import drop_old
from lumetry_core.alerts.service.transitions import close_by_recovery
from lumetry_core.alerts.store.alerts import alerts
from lumetry_core.alerts.store.decisions import decisions
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database

Build = Callable[..., Opening]
Open = Callable[..., Awaitable[list[Alert]]]


async def read_ids(database: Database, column: Any) -> list[int]:
    async with database.read() as tx:
        return sorted({row[0] for row in await tx.execute(select(column))})


async def test_drop_old_takes_closed_alerts_with_their_decisions(database: Database, clock: Clock, opening: Build, open_all: Open) -> None:
    """Those that ended before the time, at most so many; later ones, open ones and those of others stay."""
    now = clock.now()
    opened = await open_all(*(opening(rule_id=rule_id) for rule_id in range(1, 5)))
    (other,) = await open_all(opening(), organization_id=8)
    async with database.write() as tx:
        for organization_id, closed in ((7, opened[:3]), (8, [other])):
            ends = [Closing(alert.id, 17, "Rule", now + timedelta(minutes=minute), now, 5) for minute, alert in enumerate(closed)]
            await close_by_recovery(tx, organization_id, ends, now)
    async with database.write() as tx:
        assert [await drop_old(tx, 7, now + timedelta(minutes=2), 2) for _ in range(2)] == [True, False]
    kept = [opened[2].id, opened[3].id, other.id]
    assert await read_ids(database, alerts.c.id) == kept
    assert await read_ids(database, decisions.c.alert_id) == kept
