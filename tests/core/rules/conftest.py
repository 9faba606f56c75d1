from collections.abc import Callable
from typing import Any

import pytest

from lumetry_core.metrics.definition import define
from lumetry_core.metrics.model import DataStatus
from lumetry_core.metrics.service.catalog import new_metric
from lumetry_core.metrics.store.catalog import insert_metrics
from lumetry_core.rules.draft import RuleDraft, StrategyDraft
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database

Build = Callable[..., RuleDraft]


@pytest.fixture
def draft() -> Build:
    """Builds a static rule; keywords replace fields, of the flat strategy too."""

    def build(**changes: Any) -> RuleDraft:
        flat = {"metric_key": "cpu", "type": "Static", "direction": "Above", "static_upper": 90.0}
        flat |= {name: changes.pop(name) for name in list(changes) if name in StrategyDraft.__dataclass_fields__}
        return RuleDraft(**{"name": "CPU high", "flat": StrategyDraft(**flat)} | changes)

    return build


@pytest.fixture
async def metrics(database: Database, clock: Clock) -> None:
    """Organizations 7 and 8 have the evaluable metrics `cpu` and `disk` and the pending metric `later`."""
    rows = [
        new_metric(organization, define(key, [], "default", "custom"), 1, clock.now()) | {"display_name": name, "data_status": status}
        for organization in (7, 8)
        for key, name, status in (
            ("cpu", "Processor use", DataStatus.ACTIVE),
            ("disk", "Disk use", DataStatus.ACTIVE),
            ("later", "Later", DataStatus.PENDING),
        )
    ]
    async with database.write() as tx:
        await insert_metrics(tx, rows)
