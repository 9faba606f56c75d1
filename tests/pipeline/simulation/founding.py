"""Makes the organization of a simulation on a real database: its topology, its metrics, and whom it tells."""

from lumetry_core.access.store.organizations import organizations
from lumetry_core.access.vault import Vault
from lumetry_core.metrics.definition import define
from lumetry_core.metrics.service.catalog import new_metric
from lumetry_core.metrics.store.catalog import insert_metrics
from lumetry_core.notifications.drafts import IntegrationDraft, ProfileDraft
from lumetry_core.notifications.service.integrations import Rules, create_integration
from lumetry_core.notifications.service.profiles import create_profile
from lumetry_core.runtime.addresses import PRIVATE_TOO
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.topology.draft import NodeDraft
from lumetry_core.topology.service.editing import create_edge, create_node
from tests.pipeline.simulation.ground import EDGES, METRICS, NODES, ORGANIZATION, START
from tests.pipeline.simulation.script import Setup

CALLER = Caller(
    organization_id=ORGANIZATION,
    kind=CredentialKind.INTERACTIVE,
    user_id=3,
    user_name="anna",
    permissions=frozenset(Permission),
    request_id="request-1",
)


async def found(database: Database, setup: Setup) -> None:
    """Writes all of it into an empty database."""
    async with database.write() as tx:
        row = {"id": ORGANIZATION, "name": "Seven", "name_key": "seven", "slug": "7", "create_time": START}
        await tx.execute(organizations.insert(), row)
        await insert_metrics(tx, [new_metric(ORGANIZATION, define(key, [], "default", "custom"), 1, START) for key in METRICS])
        await found_topology(tx)
        await found_targets(tx, setup)


async def found_topology(tx: Transaction) -> None:
    """The nodes, under the numbers that the ground gives them, and all edges."""
    for number, (name, node_type) in NODES.items():
        node = await create_node(tx, CALLER, NodeDraft(node_type=node_type, display_name=name, external_id=name), START)
        assert node.id == number
    for source, target, edge_type in EDGES:
        await create_edge(tx, CALLER, source, target, edge_type, None, START)


async def found_targets(tx: Transaction, setup: Setup) -> None:
    """The integrations and the default profile."""
    rules = Rules(Vault(bytes(32)), PRIVATE_TOO)
    numbers = []
    for number in range(1, setup.integrations + 1):
        draft = IntegrationDraft(name=f"i{number}", type="Webhook", endpoint_url="http://127.0.0.1:9")
        numbers.append((await create_integration(tx, CALLER, draft, rules, START)).id)
    assert numbers == list(range(1, setup.integrations + 1))
    profile = ProfileDraft(
        name="default",
        is_default=True,
        integration_ids=tuple(numbers),
        cooldown_minutes=setup.cooldown_minutes,
        notify_on_close=setup.notify_on_close,
        min_severity=setup.min_severity,
    )
    await create_profile(tx, CALLER, profile, START)
