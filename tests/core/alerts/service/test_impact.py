from collections.abc import Awaitable, Callable

import pytest

from lumetry_core.alerts.impact import ClusterHealth, ClusterState, ImpactState
from lumetry_core.alerts.model import Alert, Opening
from lumetry_core.alerts.service.impact import Impact, read_impact
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.core.topology.building import ORGANIZATION, Graph, push

Build = Callable[..., Opening]
Open = Callable[..., Awaitable[list[Alert]]]
BANK = push(
    ["svc-all", "svc-bank", "app-bank", "cluster-web", "host-1", "host-2"],
    [
        ("svc-all", "contains", "svc-bank"),
        ("svc-bank", "contains", "app-bank"),
        ("app-bank", "runs_on", "cluster-web"),
        ("cluster-web", "contains", "host-1"),
        ("cluster-web", "contains", "host-2"),
    ],
)


async def impact_of(database: Database, node_id: int) -> Impact:
    async with database.read() as tx:
        return await read_impact(tx, ORGANIZATION, node_id)


async def test_impact_of_a_cluster_with_one_member_down(database: Database, clock: Clock, opening: Build, open_all: Open) -> None:
    """Alerts below count upwards as far as services are, a member that is down degrades its cluster, and the deepest node is the cause."""
    graph = Graph(database, clock.now())
    await graph.apply(BANK)
    ids = await graph.ids()
    (critical,) = await open_all(opening(5, dimension_key="host.id=host-1", severity=Severity.CRITICAL))
    (warning,) = await open_all(opening(1, rule_id=18, dimension_key="host.id=host-2"))
    assert (critical.related_ci_id, critical.related_service_id) == (ids["host-1"], ids["svc-bank"])
    impact = await impact_of(database, ids["cluster-web"])
    assert (impact.node.external_id, impact.state) == ("cluster-web", ImpactState.CRITICAL)
    assert [service.external_id for service in impact.services] == ["svc-bank", "svc-all"]
    assert [[step.display_name for step in path] for path in impact.paths] == [
        ["CLUSTER-WEB", "APP-BANK", "SVC-BANK"],
        ["CLUSTER-WEB", "APP-BANK", "SVC-BANK", "SVC-ALL"],
    ]
    assert [alert.id for alert in impact.active_alerts] == [warning.id, critical.id]
    assert impact.cluster_state == ClusterState(2, 1, ClusterHealth.DEGRADED)
    assert impact.probable_cause is not None
    assert impact.probable_cause.external_id == "host-1"
    below = await impact_of(database, ids["host-2"])
    assert (below.state, below.cluster_state, [alert.id for alert in below.active_alerts]) == (ImpactState.WARNING, None, [warning.id])
    above = await impact_of(database, ids["svc-all"])
    assert (above.state, [service.external_id for service in above.services]) == (ImpactState.CRITICAL, ["svc-all"])


async def test_impact_of_a_healthy_or_unknown_node(database: Database, clock: Clock) -> None:
    """Without alerts nothing is wrong; a node that never was has no impact."""
    graph = Graph(database, clock.now())
    await graph.apply(BANK)
    ids = await graph.ids()
    impact = await impact_of(database, ids["app-bank"])
    assert (impact.state, impact.active_alerts, impact.probable_cause) == (ImpactState.HEALTHY, (), None)
    with pytest.raises(LumetryError) as caught:
        await impact_of(database, 99)
    assert caught.value.reason is Reason.NOT_FOUND
