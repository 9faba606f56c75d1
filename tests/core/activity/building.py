"""Items to write and read in tests."""

import random
from collections.abc import Sequence

from lumetry_core.activity.model import ACTIONS, Actor, ActorType, Draft, Item, ItemFilter, Severity, Sight
from lumetry_core.activity.service import list_activity, record
from lumetry_core.activity.worker import ActivityPacker
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database

ORGANIZATION = 7
PROJECTS = [f"project-{number}" for number in range(4)]
AGENTS = [f"agent-{number}" for number in range(3)]
MACHINES = ["Host-A", "host-b", "Größe-1"]
WORDS = ["Shop", "Straße", "CART", "disk full", "INC-000012", "100 %", "a_b"]


def make_drafts(count: int, seed: int = 1) -> list[Draft]:
    """Items of all sorts, the same for the same seed."""
    chance = random.Random(seed)
    drafts = []
    for _ in range(count):
        kind = chance.choice(list(ACTIONS))
        drafts.append(
            Draft(
                kind=kind,
                action=chance.choice(sorted(ACTIONS[kind])),
                title=f"{chance.choice(WORDS)} {chance.randrange(1000)}",
                actor=Actor(ActorType.USER, chance.choice(["anna", "Bert"]), "42"),
                summary=chance.choice([None, chance.choice(WORDS)]),
                severity=chance.choice([None, *Severity]),
                agent_id=chance.choice([None, None, *AGENTS]),
                project_ids=tuple(sorted(chance.sample(PROJECTS, chance.choice([0, 0, 1, 2])))),
                machine=chance.choice([None, *MACHINES]),
            )
        )
    return drafts


async def write(database: Database, clock: Clock, drafts: Sequence[Draft], organization_id: int = ORGANIZATION) -> None:
    """Records items in one transaction."""
    async with database.write() as tx:
        await record(tx, organization_id, drafts, clock.now())


async def pack_all(database: Database, clock: Clock) -> None:
    """Packs all full blocks."""
    packer = ActivityPacker(database, pause=0.0)
    while await packer.tick(clock.now()):
        pass


async def read_all(
    database: Database, wanted: ItemFilter, sight: Sight | None = None, limit: int = 50, organization_id: int = ORGANIZATION
) -> list[Item]:
    """All items that pass a filter, page by page."""
    found: list[Item] = []
    cursor = ""
    while True:
        async with database.read() as tx:
            page = await list_activity(tx, organization_id, wanted, sight or Sight(), limit=limit, cursor=cursor)
        assert len(page.items) <= limit
        found += page.items
        cursor = page.next_cursor
        if not cursor:
            return found
