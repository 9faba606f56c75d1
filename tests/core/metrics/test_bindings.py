from dataclasses import replace

import msgspec
import pytest
from sqlalchemy import select

from lumetry_core.access.store.audit import audit_logs, revisions
from lumetry_core.metrics.binding import MetricBinding, NewBinding
from lumetry_core.metrics.definition import Definition, pack_labels
from lumetry_core.metrics.service import bindings, inbox
from lumetry_core.metrics.service.catalog import register_series
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.metrics.defining import CALLER, Desk, find_nodes
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
        narrow = await bindings.bind(tx, CALLER, "cpu", 5, {"mount": "/", "host.id": "a"}, find_nodes, clock.now())
        wide = await bindings.bind(tx, CALLER, "cpu", 5, {}, find_nodes, clock.now())
        other = await bindings.bind(tx, CALLER, "load", 6, {}, find_nodes, clock.now())
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
            ("MetricNodeBinding.Deleted", fields, None),
        ]
        of_binding = (revisions.c.entity_type == "MetricNodeBinding") & (revisions.c.entity_id == str(narrow.id))
        histories = await tx.execute(select(revisions.c.operation).where(of_binding).order_by(revisions.c.id))
        assert histories.scalars().all() == ["Created", "Removed"]


async def test_bind_of_a_repetition(database: Database, clock: FakeClock) -> None:
    """Key, node and labels together are unique; a difference in any of them is another binding."""
    async with database.write() as tx:
        await bindings.bind(tx, CALLER, "cpu", 5, {"a": "1", "b": "2"}, find_nodes, clock.now())
        for key, node, labels in (("load", 5, {"a": "1", "b": "2"}), ("cpu", 6, {"a": "1", "b": "2"}), ("cpu", 5, {"a": "1"})):
            await bindings.bind(tx, CALLER, key, node, labels, find_nodes, clock.now())
    async with database.write() as tx:
        with pytest.raises(LumetryError) as caught:
            await bindings.bind(tx, CALLER, "cpu", 5, {"b": "2", "a": "1"}, find_nodes, clock.now())
    assert (caught.value.reason, caught.value.faults) == (
        Reason.VALIDATION_FAILED,
        (Fault("nodeId", "is bound to the metric with these labels already"),),
    )


async def test_bind_with_the_longest_labels(database: Database, clock: FakeClock) -> None:
    """Whatever a point can carry can be bound; more cannot."""
    labels = {f"{number:0128}": "ä" * 512 for number in range(32)}
    async with database.write() as tx:
        bound = await bindings.bind(tx, CALLER, "cpu", 2**53 - 1, labels, find_nodes, clock.now())
        assert (bound.labels, bound.node_id) == (labels, 2**53 - 1)
        with pytest.raises(LumetryError) as caught:
            await bindings.bind(tx, CALLER, "cpu", 2**53, labels | {"x": "1", "y|": "1", "z": "\0"}, find_nodes, clock.now())
    assert [fault.path for fault in caught.value.faults] == ["nodeId", "labels", "labels.y|", "labels.z"]


async def test_bind_to_a_node_that_does_not_exist(database: Database, clock: FakeClock) -> None:
    """The node must be one that can be bound; other faults are named with it."""
    async with database.write() as tx:
        with pytest.raises(LumetryError) as caught:
            await bindings.bind(tx, CALLER, "cpu", 11, {"": "x"}, find_nodes, clock.now())
    assert [fault.path for fault in caught.value.faults] == ["nodeId", "labels."]
    assert caught.value.faults[0] == Fault("nodeId", "node 11 does not exist")


async def test_bind_all_leaves_out_what_is_bound(database: Database, clock: FakeClock) -> None:
    """Of many bindings those are added that are new, each with a history and none with an audit row of its own."""
    async with database.write() as tx:
        await bindings.bind(tx, CALLER, "cpu", 5, {"a": "1"}, find_nodes, clock.now())
        wanted = [NewBinding("cpu", 5, {"a": "1"}), NewBinding("cpu", 6, {"a": "1"}), NewBinding("load", 5, {})]
        added = await bindings.bind_all(tx, CALLER, wanted, clock.now())
        assert [(binding.metric_key, binding.node_id, binding.labels) for binding in added] == [("cpu", 6, {"a": "1"}), ("load", 5, {})]
        for table, count in ((audit_logs, 1), (revisions, 3)):
            rows = await tx.execute(select(table.c.id).where(table.c.entity_type == "MetricNodeBinding"))
            assert len(rows.all()) == count


async def test_bindings_of_a_node_go_with_it(database: Database, clock: FakeClock) -> None:
    """A node's bindings are listed by metric, and removed together."""
    async with database.write() as tx:
        bound = [await bindings.bind(tx, CALLER, key, 5, {}, find_nodes, clock.now()) for key in ("load", "cpu")]
        other = await bindings.bind(tx, CALLER, "cpu", 6, {}, find_nodes, clock.now())
        assert await bindings.list_node_bindings(tx, ORGANIZATION, 5) == bound[::-1]
        changes = await bindings.unbind_node(tx, CALLER, 5)
        assert [(change.action, change.entity_id) for change in changes] == [
            ("MetricNodeBinding.Deleted", binding.id) for binding in bound[::-1]
        ]
        assert await bindings.find_bindings(tx, ORGANIZATION, ["cpu", "load"]) == {"cpu": [other]}


async def test_labels_of_a_member_are_those_that_its_series_share(database: Database, clock: FakeClock) -> None:
    """What differs between the series of a member tells nothing of it; removed metrics and strangers have no members."""
    first = {"host.id": "a", "site.id": "x", "os.type": "linux"}
    carried = [first, first | {"site.id": "y"}, {"host.id": "b"}]
    packed = {bytes([number] * 16): pack_labels(labels) for number, labels in enumerate(carried)}
    definitions = {identity: Definition("disk", labels, "default", "custom") for identity, labels in packed.items()}
    async with database.write() as tx:
        await register_series(tx, ORGANIZATION, definitions, 1, clock.now())
        assert await bindings.find_member_labels(tx, ORGANIZATION, ["disk", "cpu"]) == {
            ("disk", "host.id=a"): {"host.id": "a", "os.type": "linux"},
            ("disk", "host.id=b"): {"host.id": "b"},
        }
        assert await bindings.find_member_labels(tx, 8, ["disk"]) == {}


async def test_bindings_of_unknown_metrics(database: Database, clock: FakeClock) -> None:
    """Neither a metric nobody defined nor one of another organization has any; a binding is found under its own metric only."""
    stranger = replace(CALLER, organization_id=8)
    async with database.write() as tx:
        bound = await bindings.bind(tx, CALLER, "cpu", 5, {}, find_nodes, clock.now())
        for caller, key in ((CALLER, "other"), (stranger, "cpu"), (CALLER, "a\0b")):
            for attempt in (
                bindings.list_bindings(tx, caller, key),
                bindings.bind(tx, caller, key, 0, {}, find_nodes, clock.now()),
                bindings.unbind(tx, caller, key, bound.id, clock.now()),
            ):
                with pytest.raises(LumetryError) as caught:
                    await attempt
                assert caught.value.reason is Reason.NOT_FOUND
        for key, number in (("load", bound.id), ("cpu", bound.id + 1)):
            with pytest.raises(LumetryError) as caught:
                await bindings.unbind(tx, CALLER, key, number, clock.now())
            assert caught.value.message == f"Binding {number} does not exist."
