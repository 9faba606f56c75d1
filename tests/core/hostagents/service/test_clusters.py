import pytest

from lumetry_core.hostagents.service.clusters import create_cluster, list_clusters
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError
from lumetry_core.topology.model import NodeType
from tests.conftest import FakeClock
from tests.core.hostagents.fleet import ADMIN, ORGANIZATION, Fleet


async def test_create_cluster_adds_a_node_that_hosts_join(database: Database, clock: FakeClock) -> None:
    """It is a node like any other; members are hosts, by name or external id."""
    async with database.write() as tx:
        farm = await create_cluster(tx, ADMIN, " Web Farm ", "farm", clock.now())
        edge = await create_cluster(tx, ADMIN, "Edge", None, clock.now())
    assert (farm.node_type, farm.external_id, farm.display_name, farm.source) == (NodeType.CLUSTER, "farm", "Web Farm", "manual")
    assert edge.external_id == f"node:{edge.id}"
    fleet = Fleet(database, clock)
    await fleet.enroll("web-1", cluster="web farm")
    await fleet.enroll("web-2", cluster_id="farm")
    await fleet.enroll("web-3", cluster="never")
    async with database.read() as tx:
        assert await list_clusters(tx, ORGANIZATION) == [(edge, 0), (farm, 2)]
        assert await list_clusters(tx, ORGANIZATION + 1) == []


async def test_create_cluster_refuses_faults(database: Database, clock: FakeClock) -> None:
    """The faults of a node, all of them."""
    async with database.write() as tx:
        await create_cluster(tx, ADMIN, "Web Farm", "farm", clock.now())
        for name, external_id, paths in ((" ", "x" * 256, ["externalId", "displayName"]), ("Web Farm", "farm", ["externalId"])):
            with pytest.raises(LumetryError) as caught:
                await create_cluster(tx, ADMIN, name, external_id, clock.now())
            assert [fault.path for fault in caught.value.faults] == paths
