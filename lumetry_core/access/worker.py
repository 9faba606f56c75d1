"""Keeps credentials current: forgets what was revoked anywhere, writes down uses, drops what is over."""

from datetime import datetime, timedelta

from lumetry_core.access.model import AUDIT_DAYS
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.organizations import list_organization_ids
from lumetry_core.access.service.upkeep import drop_old, record_uses
from lumetry_core.runtime.database import Database

DROP_INTERVAL = timedelta(hours=1)


class CredentialKeeper:
    """Runs whenever the channel `credentials` wakes it, and every few seconds."""

    def __init__(self, database: Database, authenticator: Authenticator, audit_days: int = AUDIT_DAYS) -> None:
        self._database = database
        self._authenticator = authenticator
        self._audit_duration = timedelta(days=audit_days)
        self._drop_time: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Does one round. Never says that there is more to do."""
        await self._authenticator.renew()
        uses = self._authenticator.take_uses()
        if uses:
            async with self._database.write() as tx:
                await record_uses(tx, uses)
        if self._drop_time is None or now >= self._drop_time + DROP_INTERVAL:
            async with self._database.read() as tx:
                organization_ids = await list_organization_ids(tx)
            for organization_id in organization_ids:
                async with self._database.write() as tx:
                    await drop_old(tx, organization_id, self._audit_duration, now)
            self._drop_time = now
        return False
