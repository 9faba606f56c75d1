"""What tests of the area start from: an organization with containers, a registry, and the worker that asks it."""

from datetime import timedelta
from typing import Any, cast

import msgspec

from lumetry_core.access.service.organizations import create_organization
from lumetry_core.access.vault import Vault
from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.monitors import EntityType
from lumetry_core.alerts.service.monitors import find_active_monitored
from lumetry_core.containers.engine import Inspected
from lumetry_core.containers.places import RuntimeStatus
from lumetry_core.containers.runtime import RuntimeLink
from lumetry_core.containers.service.observing import reconcile
from lumetry_core.containers.service.reading import list_containers
from lumetry_core.endpoints.sealing import Rules
from lumetry_core.runtime.addresses import PRIVATE_TOO
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.events import read_after
from lumetry_core.updates.model import Scan
from lumetry_core.updates.registry import Registries
from lumetry_core.updates.service import scans
from lumetry_core.updates.service.reading import ShownUpdate, list_updates
from lumetry_core.updates.worker import Scanner
from tests.conftest import FakeClock
from tests.registry_double import RegistryDouble

INTERVAL = timedelta(hours=24)
KEPT = timedelta(days=30)
RULES = Rules(Vault(bytes(32)), PRIVATE_TOO)


def seen(name: str, image: str, *, state: str = "running", digest: str = "", **labels: str) -> Inspected:
    """A container; the labels are those of updates, without their prefix."""
    spelled = {f"lumetry.update.{key}": value for key, value in labels.items()}
    repository = image.partition("@")[0].rpartition(":")[0]
    return Inspected(
        external_id=f"id-{name}-{image}",
        name=name,
        image=image,
        image_id="sha256:" + "0" * 64,
        state=state,
        exit_code=None if state == "running" else 0,
        labels=spelled,
        image_digests=(f"{repository}@{digest}",) if digest else (),
    )


class World:
    """Two organizations, of which the first has containers, and everything that is done with them."""

    def __init__(self, database: Database, clock: FakeClock, registry: RegistryDouble) -> None:
        self.database = database
        self.clock = clock
        self.registry = registry
        self.link = RuntimeLink()
        self.link.connect(cast("Any", object()), RuntimeStatus(None, "unix:///engine.sock", None))
        self.link.watch(is_watching=True)
        self.pauses: list[float] = []
        self.scanner = self.make_scanner("worker-1")
        self.caller: Caller
        self.stranger: Caller

    async def build(self) -> None:
        """Makes the organizations."""
        async with self.database.write() as tx:
            for name in ("caller", "stranger"):
                made = await create_organization(tx, name, self.clock.now())
                caller = Caller(organization_id=made.id, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="admin")
                setattr(self, name, caller)

    def make_scanner(self, owner: str) -> Scanner:
        """A worker of another process."""

        async def pause(seconds: float) -> None:
            self.pauses.append(seconds)

        return Scanner(self.database, self.clock, owner, self.link, lambda: Registries(PRIVATE_TOO, self.clock.now), INTERVAL, KEPT, pause)

    def image(self, path: str) -> str:
        """An image of the registry."""
        return f"{self.registry.host}/{path}"

    async def run(self, *containers: Inspected) -> dict[str, int]:
        """These containers exist now, and no others; their numbers by name."""
        async with self.database.write() as tx:
            await reconcile(tx, self.caller.organization_id, containers, RULES, self.clock.now())
            found = await list_containers(tx, self.caller.organization_id, ignored=True)
        return {each.name: each.id for each in found}

    async def scan(self) -> Scan:
        """Starts a scan and runs it to its end."""
        async with self.database.write() as tx:
            scan = await scans.start_scan(tx, self.caller, self.clock.now())
        assert await self.scanner.tick(self.clock.now())
        return await self.read_scan(scan.id)

    async def read_scan(self, scan_id: int) -> Scan:
        """A scan as it is now."""
        async with self.database.read() as tx:
            return await scans.get_scan(tx, self.caller.organization_id, scan_id)

    async def updates(self) -> list[ShownUpdate]:
        """What lags behind."""
        async with self.database.read() as tx:
            return await list_updates(tx, self.caller.organization_id, "", "")

    async def found(self) -> list[tuple[str, str, str, str]]:
        """Container, current and latest tag and type of what lags behind."""
        return [
            (each.target.name, each.update.current_tag, each.update.latest_tag, each.update.update_type) for each in await self.updates()
        ]

    async def alerts(self) -> list[Alert]:
        """The open alerts of updates."""
        async with self.database.read() as tx:
            numbers = [each.id for each in await list_containers(tx, self.caller.organization_id, archived=True, ignored=True)]
            found = await find_active_monitored(tx, self.caller.organization_id, EntityType.CONTAINER, numbers)
        return [alert for alert in found if alert.monitor_source == "update"]

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        """The area's events so far, without their time."""
        async with self.database.read() as tx:
            told = await read_after(tx, self.caller.organization_id, 0, ["monitoring"], 10_000)
        decoded = [(event.kind, msgspec.msgpack.decode(event.subject)) for event in told]
        return [(kind, {k: v for k, v in data.items() if k != "timestamp"}) for kind, data in decoded if kind.startswith("update.")]
