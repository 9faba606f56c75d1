"""What tests of the area start from."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

import msgspec

from lumetry_core.access.service.organizations import create_organization
from lumetry_core.alerts.model import Alert, AlertFilter
from lumetry_core.alerts.service.reading import list_alerts
from lumetry_core.containers.engine import EngineInfo, RefusedError, Stats
from lumetry_core.containers.model import Container, ContainerState
from lumetry_core.containers.places import RuntimeFault, RuntimeStatus
from lumetry_core.containers.runtime import RuntimeLink
from lumetry_core.containers.store import containers as container_store
from lumetry_core.resources.model import Latest, Sample, ThresholdDraft, Thresholds
from lumetry_core.resources.service.recording import record_round
from lumetry_core.resources.service.thresholds import update_thresholds
from lumetry_core.resources.worker import Sampler
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.events import read_after
from tests.conftest import FakeClock

SECOND = 10**9
GIB = 2**30


class FakeEngine:
    """A runtime whose containers use what tests say; two processors and 8 GiB."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.percent: dict[str, float] = defaultdict(float)
        self.memory: dict[str, int] = defaultdict(lambda: GIB)
        self.totals: dict[str, int] = defaultdict(lambda: SECOND)
        self.failing: set[str] = set()
        self.asked: list[str] = []
        self._last: dict[str, datetime] = {}

    async def info(self) -> EngineInfo:
        return EngineInfo(cpu_count=2, memory_bytes=8 * GIB)

    async def stats(self, external_id: str) -> Stats | None:
        self.asked.append(external_id)
        if external_id in self.failing:
            raise RefusedError(500, "no statistics now")
        now = self.clock.now()
        passed = (now - self._last.get(external_id, now)).total_seconds()
        self._last[external_id] = now
        self.totals[external_id] += int(passed * self.percent[external_id] / 100 * SECOND)
        return Stats(
            time=now,
            cpu_total_ns=self.totals[external_id],
            cpu_system_ns=int(now.timestamp() * 2 * SECOND),
            online_cpus=2,
            memory_usage=self.memory[external_id],
            memory_inactive_file=0,
            memory_limit=0,
            net_rx_bytes=int(now.timestamp()) * 1000,
            net_tx_bytes=int(now.timestamp()) * 10,
            block_read_bytes=3,
            block_write_bytes=4,
        )


class World:
    """An organization with containers, and what they are seen to use."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database = database
        self.clock = clock
        self.engine = FakeEngine(clock)
        self.link = RuntimeLink()
        self.sampler = Sampler(database, clock, self.link)
        self.organization_id = 0
        self.caller: Caller

    async def build(self) -> None:
        async with self.database.write() as tx:
            self.organization_id = (await create_organization(tx, "Default", self.clock.now())).id
        self.caller = Caller(self.organization_id, CredentialKind.INTERACTIVE, user_id=42, user_name="admin", request_id="r-1")
        self.connect()

    def connect(self) -> None:
        self.link.connect(self.engine, RuntimeStatus(None, "unix:///socket", self.clock.now()))  # type: ignore[arg-type]
        self.link.watch(is_watching=True)

    def disconnect(self) -> None:
        self.link.disconnect(RuntimeStatus(None, "", None, RuntimeFault.UNREACHABLE, "away"))

    async def run(self, name: str, **changes: Any) -> Container:
        """A container that runs."""
        fields: dict[str, Any] = {
            "id": 0,
            "organization_id": self.organization_id,
            "external_id": f"ext-{name}",
            "name": name,
            "image": "nginx:1.27",
            "image_id": "sha256:1",
            "state": ContainerState.RUNNING,
            "first_seen_time": self.clock.now(),
            "last_state_change_time": self.clock.now(),
            "counted_time": self.clock.now(),
        }
        container = Container(**fields | changes)
        async with self.database.write() as tx:
            number = await container_store.insert_container(tx, container)
            return (await container_store.find_containers(tx, self.organization_id, [number]))[number]

    async def change(self, container: Container) -> None:
        async with self.database.write() as tx:
            await container_store.update_container(tx, container)

    async def sample(self, times: int = 1) -> None:
        """So many rounds, ten seconds after each other."""
        for _ in range(times):
            self.clock.advance(seconds=10)
            await self.sampler.tick(self.clock.now())

    async def record(self, *samples: Sample) -> None:
        """A round with these samples."""
        async with self.database.write() as tx:
            await record_round(tx, self.organization_id, [Latest(sample, 2, 0.0, 0.0) for sample in samples], self.clock.now())

    async def set_thresholds(self, container: Container, **changes: Any) -> Thresholds:
        async with self.database.write() as tx:
            return await update_thresholds(tx, self.caller, container.id, ThresholdDraft(**changes), self.clock.now())

    async def alerts(self) -> list[Alert]:
        """All alerts, by number."""
        async with self.database.read() as tx:
            return sorted(await list_alerts(tx, self.organization_id, AlertFilter()), key=lambda alert: alert.id)

    async def told(self, *kinds: str) -> list[tuple[str, dict[str, Any]]]:
        """The events of kinds, in their order."""
        async with self.database.read() as tx:
            found = await read_after(tx, self.organization_id, 0, ["monitoring"], 10_000)
        return [(event.kind, msgspec.msgpack.decode(event.subject)) for event in found if event.kind in kinds]


def sample_of(container: Container, time: datetime, cpu: float = 1.0, memory: int = GIB, counter: int = 1) -> Sample:
    """A sample whose counters are all alike."""
    return Sample(container.id, time, cpu, memory, 4 * GIB, counter, counter, counter, counter)


def ago(clock: FakeClock, **span: float) -> datetime:
    return clock.now() - timedelta(**span)
