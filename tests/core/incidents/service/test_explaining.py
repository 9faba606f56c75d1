from datetime import timedelta

import pytest

from lumetry_core.alerts.service.reading import find_alerts
from lumetry_core.alerts.service.retention import drop_old
from lumetry_core.incidents.keys import CorrelationKey, KeyKind
from lumetry_core.incidents.model import Joining, JoinReason
from lumetry_core.incidents.service.explaining import explain_incident
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.topology.model import Edge, EdgeType, NodeType, PathNode
from lumetry_core.topology.store import edges as edge_store
from tests.core.incidents.building import NOW, ORGANIZATION, add_nodes, an_opening, correlate_all, open_some

WINDOW = timedelta(minutes=30)


async def test_explain_incident_tells_key_path_and_window(database: Database, caller: Caller) -> None:
    """Each member with why it joined, the service that all share, and the way to it as found when the alert opened."""
    async with database.write() as tx:
        nodes = await add_nodes(
            tx, ORGANIZATION, (NodeType.HOST, "srv-1"), (NodeType.APPLICATION, "App"), (NodeType.BUSINESS_SERVICE, "Shop")
        )
        edges = [
            Edge(0, ORGANIZATION, nodes["App"], nodes["srv-1"], EdgeType.RUNS_ON, {}, NOW),
            Edge(0, ORGANIZATION, nodes["Shop"], nodes["App"], EdgeType.CONTAINS, {}, NOW),
        ]
        await edge_store.insert_edges(tx, edges)
    later = NOW + timedelta(minutes=4)
    alerts = await open_some(database, an_opening(1, "srv-1"), an_opening(2, "srv-1", start_time=later))
    await correlate_all(database, later)
    async with database.read() as tx:
        explained = await explain_incident(tx, caller, 1)
        stored = await find_alerts(tx, ORGANIZATION, [alert.id for alert in alerts])
    assert explained.incident.primary_service_name == "Shop"
    assert [member.alert for member in explained.members] == stored
    assert [member.member.joining for member in explained.members] == [
        Joining(JoinReason.OPENED, WINDOW),
        Joining(JoinReason.WINDOW_MATCH, WINDOW, alerts[0].id, NOW, timedelta(minutes=4)),
    ]
    for member in explained.members:
        assert (member.key, member.key and member.key.name) == (CorrelationKey(KeyKind.SERVICE, str(nodes["Shop"])), "Shop")
        assert member.path == (
            PathNode(nodes["srv-1"], "srv-1", NodeType.HOST, None),
            PathNode(nodes["App"], "App", NodeType.APPLICATION, EdgeType.RUNS_ON),
            PathNode(nodes["Shop"], "Shop", NodeType.BUSINESS_SERVICE, EdgeType.CONTAINS),
        )


async def test_explain_incident_begins_with_who_opened_it(database: Database, caller: Caller) -> None:
    """Members of one round come with the first one first, then by start and number; without node there is no path."""
    alerts = await open_some(database, an_opening(3), an_opening(2), an_opening(1, dimension_key="a=1"))
    await correlate_all(database)
    async with database.read() as tx:
        explained = await explain_incident(tx, caller, 1)
    assert [(one.member.alert_id, one.member.joining.reason, one.path) for one in explained.members] == [
        (alerts[1].id, JoinReason.OPENED, ()),
        (alerts[0].id, JoinReason.WINDOW_MATCH, ()),
        (alerts[2].id, JoinReason.WINDOW_MATCH, ()),
    ]


async def test_explain_incident_of_unknown_ones(database: Database, caller: Caller) -> None:
    """There is nothing to tell of another organization's incident."""
    await open_some(database, an_opening(1), organization_id=8)
    await correlate_all(database)
    async with database.read() as tx:
        with pytest.raises(LumetryError) as caught:
            await explain_incident(tx, caller, 1)
    assert caught.value.reason is Reason.NOT_FOUND
    async with database.write() as tx:
        assert await drop_old(tx, ORGANIZATION, NOW, 10) is False
