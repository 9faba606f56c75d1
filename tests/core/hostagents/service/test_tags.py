import pytest

from lumetry_core.access.service.history import list_revisions
from lumetry_core.hostagents.model import Tag
from lumetry_core.hostagents.service.tags import create_tag, list_tags
from lumetry_core.hostagents.store.tags import find_tags, list_bearers, list_tags_of, replace_tags
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError
from tests.conftest import FakeClock
from tests.core.hostagents.fleet import ADMIN, ORGANIZATION, Fleet


async def test_create_tag_lists_by_name_with_bearers(database: Database, clock: FakeClock) -> None:
    """Tags are ascending by name whatever the letter case, each with how many agents bear it."""
    async with database.write() as tx:
        test, production, edge = [await create_tag(tx, ADMIN, name, clock.now()) for name in ("test", " Production ", "edge")]
        await replace_tags(tx, ORGANIZATION, 1, [test.id, production.id, test.id])
        await replace_tags(tx, ORGANIZATION, 2, [production.id])
        assert await list_tags(tx, ORGANIZATION) == [(edge, 0), (Tag(production.id, "Production"), 2), (test, 1)]
        assert await list_tags_of(tx, ORGANIZATION, [1, 2, 3]) == {1: [production, test], 2: [production]}
        assert await list_bearers(tx, ORGANIZATION, "PRODUCTION") == {1, 2} == await list_bearers(tx, ORGANIZATION, str(production.id))
        assert await list_bearers(tx, ORGANIZATION, "never") == set()
        assert await find_tags(tx, ORGANIZATION, [edge.id, 999]) == {edge.id: edge}
        await replace_tags(tx, ORGANIZATION, 1, [])
        assert await list_tags(tx, ORGANIZATION) == [(edge, 0), (production, 1), (test, 0)]


async def test_create_tag_refuses_taken_and_faulty_names(database: Database, clock: FakeClock) -> None:
    """Letter case does not tell tags apart; another organization's names do not matter."""
    async with database.write() as tx:
        tag = await create_tag(tx, ADMIN, "Production", clock.now())
        await create_tag(tx, Fleet(database, clock, ORGANIZATION + 1).admin, "production", clock.now())
        refused = "must have 1 to 64 printable characters"
        for name, message in (("PRODUCTION", f"is the one of tag {tag.id}"), (" ", refused), ("x" * 65, refused), ("a\tb", refused)):
            with pytest.raises(LumetryError) as caught:
                await create_tag(tx, ADMIN, name, clock.now())
            assert [(fault.path, fault.message) for fault in caught.value.faults] == [("name", message)]


async def test_create_tag_keeps_its_history(database: Database, clock: FakeClock) -> None:
    """The revision tells the tag as it was made."""
    async with database.write() as tx:
        tag = await create_tag(tx, ADMIN, "edge", clock.now())
    async with database.read() as tx:
        [revision], _ = await list_revisions(tx, ADMIN, "AgentTag", str(tag.id), 0, 0)
    assert (revision.operation, revision.before_json, revision.after_json) == ("Created", None, f'{{"id":{tag.id},"name":"edge"}}')
