from dataclasses import replace
from datetime import timedelta

import pytest

from lumetry.notifications.v1 import delivery_service_pb2 as pb
from lumetry_core.alerts.decisions import Record
from lumetry_core.notifications.delivery import Cause, DeliveryStatus
from lumetry_core.notifications.rpc.deliveries import decode_query, encode_delivery
from lumetry_core.notifications.service.deliveries import DeliveryQuery, search_deliveries
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError
from lumetry_core.runtime.timestamps import encode_time
from tests.conftest import FakeClock
from tests.core.incidents.building import NOW, an_opening
from tests.core.notifications.pipeline import CALLER, REFUSED, Pipeline
from tests.core.notifications.test_retries import DELIVERY


def test_encode_a_delivery() -> None:
    """What is absent stays absent, and the fallback target has no number."""
    skipped = replace(
        DELIVERY,
        integration_id=0,
        profile_id=None,
        status=DeliveryStatus.SUPPRESSED,
        reason=Cause.SILENCE,
        record=Record("Silence", "5", "Deploy"),
    )
    assert encode_delivery(skipped) == pb.Delivery(
        id=17,
        alert_id=9012,
        transition="open",
        status="Suppressed",
        reason="silence",
        record_type="Silence",
        record_id="5",
        record_name="Deploy",
        create_time=encode_time(NOW),
    )


def test_decode_filters() -> None:
    """Absent ones keep all."""
    assert decode_query(pb.ListDeliveriesRequest()) == DeliveryQuery()
    request = pb.ListDeliveriesRequest(alert_id=1, integration_id=0, status="failed", start_time=encode_time(NOW), limit=7)
    assert decode_query(request) == DeliveryQuery(alert_id=1, integration_id=0, status="failed", start_time=NOW, limit=7)


async def test_search_by_every_filter(database: Database, clock: FakeClock) -> None:
    """All filters must match; the newest come first."""
    async with Pipeline(database, clock) as pipeline:
        ops, dev = await pipeline.add_integration("Ops"), await pipeline.add_integration("Dev")
        await pipeline.add_profile(ops, dev)
        [first] = await pipeline.open(an_opening(1, metric_key="a"))
        await pipeline.settle()
        pipeline.sender.answer = lambda _integration, _message: REFUSED
        clock.advance(minutes=1)
        [second] = await pipeline.open(an_opening(2, metric_key="b"))
        await pipeline.settle()

        async def found(**query: object) -> list[tuple[int, int]]:
            async with database.read() as tx:
                rows = await search_deliveries(tx, CALLER, DeliveryQuery(**query))  # type: ignore[arg-type]
            return [(row.alert_id, row.integration_id) for row in rows]

        assert await found() == [(second.id, dev), (second.id, ops), (first.id, dev), (first.id, ops)]
        assert await found(limit=1) == [(second.id, dev)]
        assert await found(alert_id=first.id, integration_id=ops) == [(first.id, ops)]
        assert await found(status="FAILED", integration_id=dev) == [(second.id, dev)]
        assert await found(end_time=NOW) == [(first.id, dev), (first.id, ops)]
        assert await found(start_time=NOW + timedelta(minutes=1)) == [(second.id, dev), (second.id, ops)]
        with pytest.raises(LumetryError) as caught:
            await found(status="Gone", limit=-1)
        assert caught.value.faults == (
            Fault("status", "must be one of Pending, Success, Failed, Suppressed, Skipped"),
            Fault("limit", "must be between 1 and 5000"),
        )
