"""Writing definitions of metrics in tests, and one process that appends points."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lumetry_core.access.service.evaluation_version import read_evaluation_version
from lumetry_core.metrics.columns import Columns
from lumetry_core.metrics.definition import define
from lumetry_core.metrics.dictionary import SeriesDictionary
from lumetry_core.metrics.draft import MetricDraft
from lumetry_core.metrics.model import MetricInfo
from lumetry_core.metrics.senders import PLAIN
from lumetry_core.metrics.service import definitions, inbox
from lumetry_core.metrics.service.append import Submission, append_group
from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.metrics.service.registry import SeriesRegistry
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Database, Transaction
from tests.conftest import FakeClock
from tests.core.metrics.feeding import ORGANIZATION, SETTINGS, make_caller

CALLER = Caller(organization_id=ORGANIZATION, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="admin", request_id="r-1")


@dataclass
class Profiles:
    """Knows the baseline profile 4 of organization 7 and who uses which."""

    used: dict[tuple[str, int], int | None] = field(default_factory=dict)

    async def find(self, _tx: Transaction, organization_id: int, profile_id: int | None) -> object | None:
        return "profile" if (organization_id, profile_id) == (ORGANIZATION, 4) else None

    async def claim(self, _tx: Transaction, _organization_id: int, kind: str, number: int, profile_id: int | None) -> None:
        self.used[kind, number] = profile_id


@dataclass
class Desk:
    """Writes definitions, each in a transaction of its own."""

    database: Database
    clock: FakeClock
    profiles: Profiles = field(default_factory=Profiles)

    async def create(self, caller: Caller = CALLER, **fields: Any) -> MetricInfo:
        draft = MetricDraft(**{"metric_key": "cpu"} | fields)
        async with self.database.write() as tx:
            return await definitions.create(tx, caller, draft, self.profiles.find, self.profiles.claim, self.clock.now())

    async def update(self, metric_id: int, caller: Caller = CALLER, **fields: Any) -> MetricInfo:
        draft = MetricDraft(**fields)
        async with self.database.write() as tx:
            return await definitions.update(tx, caller, metric_id, draft, self.profiles.find, self.profiles.claim, self.clock.now())

    async def remove(self, metric_id: int, caller: Caller = CALLER) -> None:
        async with self.database.write() as tx:
            await definitions.remove(tx, caller, metric_id, self.profiles.claim, self.clock.now())

    async def find(self, key: str) -> MetricInfo | None:
        async with self.database.read() as tx:
            return (await find_metrics(tx, ORGANIZATION, [key])).get(key)

    async def version(self) -> int:
        async with self.database.read() as tx:
            return await read_evaluation_version(tx, ORGANIZATION)


@dataclass
class Process:
    """A process that appends points, with all that it remembers of series."""

    database: Database
    clock: FakeClock
    registry: SeriesRegistry = field(default_factory=SeriesRegistry)
    dictionary: SeriesDictionary = field(default_factory=SeriesDictionary)
    numbers: dict[tuple[str, str], int] = field(default_factory=dict)

    async def append(self, key: str, value: float, **labels: str) -> None:
        """Appends a point of the present."""
        name = (key, str(sorted(labels.items())))
        if name not in self.numbers:
            self.numbers[name] = self.dictionary.add(define(key, labels.items(), "", ""))
        columns = Columns(
            np.array([self.numbers[name]], np.int64),
            np.array([to_ms(self.clock.now())], np.int64),
            np.array([value]),
            np.array([1], np.int64),
        )
        submission = Submission(make_caller(), self.dictionary.resolution(ORGANIZATION, PLAIN), columns)
        async with self.database.write() as tx:
            count = await inbox.ensure_partitions(tx)
            _, learnt = await append_group(tx, self.registry, SETTINGS, count, [submission], self.clock.now())
        learnt.publish(self.registry)


async def find_nodes(_tx: object, _organization_id: int, ids: Collection[int]) -> dict[int, str]:
    """Every node up to 10 exists, and so does the one with the largest number."""
    return {number: f"node {number}" for number in ids if number <= 10 or number == 2**53 - 1}
