from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from lumetry_core.access.vault import Vault
from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.monitors import EntityType
from lumetry_core.alerts.service.handling import close
from lumetry_core.alerts.service.monitors import find_active_monitored
from lumetry_core.endpoints.drafts import EndpointDraft
from lumetry_core.endpoints.model import Claim, Endpoint, Result
from lumetry_core.endpoints.sealing import Rules
from lumetry_core.endpoints.service import reading, recording, standalone
from lumetry_core.endpoints.service.labels import LabelOwner, apply_labels
from lumetry_core.runtime.addresses import PRIVATE_TOO
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.events import read_after
from tests.conftest import FakeClock

ORGANIZATION = 7
CALLER = Caller(
    organization_id=ORGANIZATION, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="ann", permissions=frozenset(Permission)
)
OTHER = Caller(organization_id=8, kind=CredentialKind.INTERACTIVE, user_id=43, user_name="eve", permissions=frozenset(Permission))
RULES = Rules(Vault(bytes(32)), PRIVATE_TOO)
OWNER = LabelOwner(container_id=5, container_name="shop", external_id="c0ffee", orchestration_group="web", orchestration_unit="shop")


@dataclass
class World:
    """Verbs in transactions of their own, at the time of the clock."""

    database: Database
    clock: FakeClock
    read_events: int = field(default=0)

    async def create(self, caller: Caller = CALLER, **draft: Any) -> Endpoint:
        """A standalone endpoint."""
        values = {"name": "shop", "target": "http://shop.test/", **draft}
        async with self.database.write() as tx:
            return await standalone.create_endpoint(tx, caller, EndpointDraft(**values), RULES, self.clock.now())

    async def update(self, endpoint: Endpoint, caller: Caller = CALLER, **draft: Any) -> Endpoint:
        async with self.database.write() as tx:
            return await standalone.update_endpoint(tx, caller, endpoint.id, EndpointDraft(**draft), RULES, self.clock.now())

    async def delete(self, endpoint: Endpoint, caller: Caller = CALLER) -> None:
        async with self.database.write() as tx:
            await standalone.delete_endpoint(tx, caller, endpoint.id, self.clock.now())

    async def label(self, labels: dict[str, str], *, is_running: bool = True, owner: LabelOwner = OWNER) -> list[Endpoint]:
        """Reads the labels of a container; the endpoints that it has then."""
        async with self.database.write() as tx:
            await apply_labels(tx, ORGANIZATION, owner, labels, is_running, self.clock.now(), rules=RULES)
        async with self.database.read() as tx:
            return list(await reading.list_container_endpoints(tx, ORGANIZATION, owner.container_id))

    async def claim(self) -> list[Claim]:
        """Everything that is due now."""
        now = self.clock.now()
        async with self.database.write() as tx:
            return await recording.claim_checks(tx, now, now, 1000, lambda: 0.0)

    async def record(self, *done: tuple[Claim, Result]) -> int:
        async with self.database.write() as tx:
            return await recording.record_results(tx, ORGANIZATION, done, self.clock.now())

    async def check(self, text: str) -> Endpoint:
        """Checks of the only endpoint that is due, a letter each (`+` up, `-` down), 30 seconds apart."""
        for letter in text:
            [claim] = await self.claim()
            assert await self.record((claim, result(self.clock.now(), ok=letter == "+"))) == 1
            self.clock.advance(seconds=claim.endpoint.config.interval_seconds)
        return await self.read(claim.endpoint)

    async def read(self, endpoint: Endpoint, caller: Caller = CALLER) -> Endpoint:
        async with self.database.read() as tx:
            return await reading.get_endpoint(tx, caller.organization_id, endpoint.id)

    async def uptime(self, endpoint: Endpoint) -> dict[str, float | None]:
        async with self.database.read() as tx:
            return await reading.read_uptime(tx, ORGANIZATION, endpoint.id, timedelta(days=30), self.clock.now())

    async def alerts(self, endpoint: Endpoint) -> Sequence[Alert]:
        """Its active alerts."""
        async with self.database.read() as tx:
            return await find_active_monitored(tx, ORGANIZATION, EntityType.ENDPOINT, [endpoint.id])

    async def close(self, alert: Alert) -> None:
        """A person closes an alert."""
        async with self.database.write() as tx:
            await close(tx, CALLER, alert.id, "seen", self.clock.now())

    async def told(self) -> list[tuple[str, dict[str, Any]]]:
        """The area's events since the last call, without their times."""
        async with self.database.read() as tx:
            events = await read_after(tx, ORGANIZATION, self.read_events, ["monitoring"], 1000)
        self.read_events = events[-1].id if events else self.read_events
        found = [(event.kind, msgspec.msgpack.decode(event.subject)) for event in events if event.kind.startswith("endpoint.")]
        return [(kind, {key: value for key, value in data.items() if key != "timestamp"}) for kind, data in found]

    async def names(self) -> list[str]:
        """The names of the area's events since the last call."""
        return [name for name, _ in await self.told()]


def result(time: datetime, *, ok: bool = True, ms: int = 12) -> Result:
    """What a check found."""
    return Result(ok, time, ms, 200 if ok else None, None if ok else "connection refused")
