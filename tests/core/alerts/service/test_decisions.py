from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from lumetry_core.alerts.decisions import Gate, Outcome, Record, Transition, Verdict
from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.service.decisions import read_explanations, record_gates
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database


async def test_record_gates_completes_a_trace(
    database: Database, clock: Clock, opening: Callable[..., Any], open_all: Callable[..., Awaitable[list[Alert]]]
) -> None:
    """A later decision, with nested details, stands in the trace; other transitions and organizations are not touched."""
    first, second = await open_all(opening(), opening(dimension_key="host.id=b"))
    key = (first.id, Transition.OPEN)
    async with database.write() as tx:
        before = (await read_explanations(tx, 7, [key]))[key]
        targets = [{"integrationId": 3, "deliveryId": 8, "status": "Success", "attempts": 1, "lastError": None}]
        delivered = replace(
            before.gates[8],
            verdict=Verdict.PASSED,
            reason="Delivered",
            record=Record("AlertingIntegration", "3", "Ops"),
            time=clock.now(),
            details={"targets": targets},
        )
        completed = replace(before, outcome=Outcome.PAGED, summary="Delivered to Ops", gates=(*before.gates[:8], delivered))
        await record_gates(tx, 8, [completed])
        assert await read_explanations(tx, 7, [key, (first.id, Transition.CLOSE)]) == {key: before}
        await record_gates(tx, 7, [completed])
        other = (second.id, Transition.OPEN)
        found = await read_explanations(tx, 7, [key, other])
    assert found[key] == completed
    assert found[other].gates[8].gate is Gate.DELIVERY
    assert found[other].gates[8].verdict is Verdict.PENDING
