from lumetry_core.metrics.service.references import list_references, refer
from lumetry_core.runtime.database import Database


async def test_refer_replaces_what_was_referred_to(database: Database) -> None:
    """Of one kind and number; a metric that is named twice is referred to once."""
    async with database.write() as tx:
        await refer(tx, 7, "Rule", 3, ["cpu", "load", "cpu"])
        await refer(tx, 7, "Rule", 12, ["cpu"])
        await refer(tx, 7, "MetricSource", 3, ["cpu"])
        await refer(tx, 8, "Rule", 3, ["cpu"])
        assert await list_references(tx, 7, "cpu") == [("MetricSource", 3), ("Rule", 3), ("Rule", 12)]
        await refer(tx, 7, "Rule", 3, ["disk", "load"])
        await refer(tx, 7, "Rule", 12, [])
        assert await list_references(tx, 7, "cpu") == [("MetricSource", 3)]
        assert await list_references(tx, 7, "load") == [("Rule", 3)]
        assert await list_references(tx, 7, "disk") == [("Rule", 3)]
        assert await list_references(tx, 8, "cpu") == [("Rule", 3)]
