from dataclasses import replace

import msgspec
import pytest
from sqlalchemy import select

from lumetry_core.access.store.audit import audit_logs, revisions
from lumetry_core.metrics.binding import MetricBinding
from lumetry_core.metrics.service import bindings, inbox
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.metrics.defining import CALLER, Desk
from tests.core.metrics.feeding import ORGANIZATION


@pytest.fixture
async def cpu(database: Database, clock: FakeClock) -> None:
    """The metrics `cpu` and `load` are defined."""
    async with database.write() as tx:
        await inbox.ensure_partitions(tx)
    for key in ("cpu", "load"):
        await Desk(database, clock).create(metric_key=key)


pytestmark = pytest.mark.usefixtures("cpu")


async def test_bind_list_and_unbind(database: Database, clock: FakeClock) -> None:
    """Bindings come back by number, labels sorted; each write is audited and has a history."""
    async with database.write() as tx:
        narrow = await bindings.bind(tx, CALLER, "cpu", 5, {"mount": "/", "host.id": "a"}, clock.now())
        wide = await bindings.bind(tx, CALLER, "cpu", 5, {}, clock.now())
        other = await bindings.bind(tx, CALLER, "load", 6, {}, clock.now())
    assert narrow == MetricBinding(narrow.id, ORGANIZATION, "cpu", 5, {"host.id": "a", "mount": "/"}, clock.now())
    async with database.read() as tx:
        assert await bindings.list_bindings(tx, CALLER, "cpu") == [narrow, wide]
        assert await bindings.list_bindings(tx, CALLER, "load") == [other]
    async with database.write() as tx:
        await bindings.unbind(tx, CALLER, "cpu", narrow.id, clock.now())
        assert await bindings.list_bindings(tx, CALLER, "cpu") == [wide]
        rows = await tx.execute(
            select(audit_logs.c.action, audit_logs.c.old_values_json, audit_logs.c.new_values_json)
            .where(audit_logs.c.entity_type == "MetricNodeBinding", audit_logs.c.entity_id == str(narrow.id))
            .order_by(audit_logs.c.id)
        )
        fields = {"metricKey": "cpu", "nodeId": 5, "labels": {"host.id": "a", "mount": "/"}}
        assert [(row[0], *(text and msgspec.json.decode(text) for text in row[1:])) for row in rows] == [
            ("MetricNodeBinding.Created", None, fields),
            ("MetricNodeBinding.Removed", fields, None),
        ]
        of_binding = (revisions.c.entity_type == "MetricNodeBinding") & (revisions.c.entity_id == str(narrow.id))
        histories = await tx.execute(select(revisions.c.operation).where(of_binding).order_by(revisions.c.id))
        assert histories.scalars().all() == ["Created", "Removed"]


async def test_bind_of_a_repetition(database: Database, clock: FakeClock) -> None:
    """Key, node and labels together are unique; a difference in any of them is another binding."""
    async with database.write() as tx:
        await bindings.bind(tx, CALLER, "cpu", 5, {"a": "1", "b": "2"}, clock.now())
        for key, node, labels in (("load", 5, {"a": "1", "b": "2"}), ("cpu", 6, {"a": "1", "b": "2"}), ("cpu", 5, {"a": "1"})):
            await bindings.bind(tx, CALLER, key, node, labels, clock.now())
    async with database.write() as tx:
        with pytest.raises(LumetryError) as caught:
            await bindings.bind(tx, CALLER, "cpu", 5, {"b": "2", "a": "1"}, clock.now())
    assert (caught.value.reason, caught.value.faults) == (
        Reason.VALIDATION_FAILED,
        (Fault("nodeId", "is bound to the metric with these labels already"),),
    )


async def test_bind_with_the_longest_labels(database: Database, clock: FakeClock) -> None:
    """Whatever a point can carry can be bound; more cannot."""
    labels = {f"{number:0128}": "ä" * 512 for number in range(32)}
    async with database.write() as tx:
        bound = await bindings.bind(tx, CALLER, "cpu", 2**53 - 1, labels, clock.now())
        assert (bound.labels, bound.node_id) == (labels, 2**53 - 1)
        with pytest.raises(LumetryError) as caught:
            await bindings.bind(tx, CALLER, "cpu", 2**53, labels | {"x": "1", "y|": "1", "z": "\0"}, clock.now())
    assert [fault.path for fault in caught.value.faults] == ["nodeId", "labels", "labels.y|", "labels.z"]


async def test_bindings_of_unknown_metrics(database: Database, clock: FakeClock) -> None:
    """Neither a metric nobody defined nor one of another organization has any; a binding is found under its own metric only."""
    stranger = replace(CALLER, organization_id=8)
    async with database.write() as tx:
        bound = await bindings.bind(tx, CALLER, "cpu", 5, {}, clock.now())
        for caller, key in ((CALLER, "other"), (stranger, "cpu"), (CALLER, "a\0b")):
            for attempt in (
                bindings.list_bindings(tx, caller, key),
                bindings.bind(tx, caller, key, 0, {}, clock.now()),
                bindings.unbind(tx, caller, key, bound.id, clock.now()),
            ):
                with pytest.raises(LumetryError) as caught:
                    await attempt
                assert caught.value.reason is Reason.NOT_FOUND
        for key, number in (("load", bound.id), ("cpu", bound.id + 1)):
            with pytest.raises(LumetryError) as caught:
                await bindings.unbind(tx, CALLER, key, number, clock.now())
            assert caught.value.message == f"Binding {number} does not exist."
