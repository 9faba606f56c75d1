"""A host with an engine, the core that watches it, and what people would see."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from lumetry_core.access.service.organizations import create_organization
from lumetry_core.access.vault import Vault
from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.monitors import EntityType
from lumetry_core.alerts.service.monitors import find_active_monitored
from lumetry_core.containers.docker import connect
from lumetry_core.containers.model import Container, Transition
from lumetry_core.containers.places import RuntimeSettings
from lumetry_core.containers.runtime import RuntimeLink
from lumetry_core.containers.store import containers as store
from lumetry_core.containers.store import transitions as transition_store
from lumetry_core.containers.watching import Watcher
from lumetry_core.containers.worker import ContainerKeeper
from lumetry_core.endpoints.sealing import Rules
from lumetry_core.feed.service import TOPIC
from lumetry_core.runtime.addresses import PRIVATE_TOO
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.clock import EPOCH
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.events import channel, read_after
from lumetry_core.runtime.queue import Wakeups
from tests.conftest import FakeClock
from tests.engine_double import EngineDouble

RULES = Rules(Vault(b"k" * 32), PRIVATE_TOO)


@dataclass
class World:
    """One deployment on one host. Its clock is the engine's too."""

    database: Database
    wakeups: Wakeups
    clock: FakeClock
    socket: Path
    engine: EngineDouble = field(default_factory=EngineDouble)
    link: RuntimeLink = field(default_factory=RuntimeLink)
    organization_id: int = 0

    async def prepare(self) -> None:
        """Makes the organization whose runtime it is."""
        self.engine.moment = self.clock.now()
        async with self.database.write() as tx:
            self.organization_id = (await create_organization(tx, "Default", self.clock.now())).id

    @property
    def caller(self) -> Caller:
        """Somebody who may do everything here."""
        return Caller(self.organization_id, CredentialKind.API_TOKEN, frozenset(Permission))

    def advance(self, **span: float) -> None:
        """Moves all clocks on."""
        self.clock.advance(**span)
        self.engine.moment = self.clock.now()

    def build_watcher(self, owner: str = "core-1", link: RuntimeLink | None = None) -> Watcher:
        """A core's watcher."""
        settings = RuntimeSettings(runtime="docker", docker_host=f"unix://{self.socket}")
        return Watcher(self.database, self.clock, owner, settings, connect, link or self.link, RULES)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watches during the block; the first look is over when it begins."""
        task = asyncio.create_task(self.build_watcher().run())
        try:
            await self.until_watching()
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def until_watching(self) -> None:
        """Waits until this core watches."""
        async with asyncio.timeout(20):
            await self.link.until(lambda link: link.is_watching)

    async def keep(self) -> None:
        """One round of the keeper, of a core that just started."""
        await ContainerKeeper(self.database, self.link, RULES, 60.0, 90).tick(self.clock.now())

    async def until(self, holds: Callable[[Sequence[Container]], bool]) -> list[Container]:
        """The containers, ignored and archived ones too, once something holds of them."""
        with self.wakeups.subscribe(channel(self.organization_id)) as subscription:
            async with asyncio.timeout(20):
                while not holds(found := await self.containers()):
                    await subscription.wait(0.2)
        return found

    async def containers(self) -> list[Container]:
        """All records by number."""
        async with self.database.read() as tx:
            found = await store.list_containers(tx, self.organization_id, archived=True, ignored=True)
        return sorted(found, key=lambda each: each.id)

    async def transitions(self, container_id: int) -> list[Transition]:
        """All transitions, oldest first."""
        async with self.database.read() as tx:
            found = await transition_store.list_transitions(tx, self.organization_id, container_id, EPOCH, self.clock.now(), 500, 0)
        return found[::-1]

    async def alerts(self) -> list[Alert]:
        """The open alerts of all containers."""
        ids = [each.id for each in await self.containers()]
        async with self.database.read() as tx:
            return await find_active_monitored(tx, self.organization_id, EntityType.CONTAINER, ids)

    async def alert_types(self) -> list[tuple[int | None, str | None, str]]:
        """Entity, type and severity of the open alerts."""
        return [(alert.entity_id, alert.alert_type, alert.severity.value) for alert in await self.alerts()]

    async def told(self, prefix: str = "container.") -> list[tuple[str, dict[str, Any]]]:
        """The events that were told, without their time."""
        async with self.database.read() as tx:
            events = await read_after(tx, self.organization_id, 0, (TOPIC,), 1000)
        found = [(event.kind, msgspec.msgpack.decode(event.subject)) for event in events if event.kind.startswith(prefix)]
        return [(kind, {key: value for key, value in data.items() if key not in ("type", "timestamp")}) for kind, data in found]
