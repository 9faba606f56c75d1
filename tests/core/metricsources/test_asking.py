"""What polls and tests of the core make of answers."""

import json
from datetime import timedelta

import pytest

from lumetry_core.collectors.agent.polling.model import ItemResult, Target
from lumetry_core.metricsources.asking import make_test, spread, store_samples
from lumetry_core.metricsources.model import Definition, Seen, SourceItem, SourceTest, SourceTestStatus, SourceType
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.metricsources.building import ORGANIZATION, FakeWeb, Inbox, gave, sample

SHOPS = {"shops": [{"name": "north", "open": 3}, {"name": "south", "open": 5}]}
ITEM = SourceItem("shop.open", "$.shops[*]", "open", ("name",))


def definition(*items: SourceItem) -> Definition:
    """A source that is a document."""
    return Definition(name="Shop", type=SourceType.HTTP, target=Target(base_url="http://shop/"), items=items)


async def test_test_shows_samples(clock: FakeClock) -> None:
    """Nothing but the request goes out, and the secret as it should."""
    web = FakeWeb(json.dumps(SHOPS).encode())
    made = await make_test(definition(ITEM), "token", web, clock)
    assert made.duration_ms is not None
    assert made == SourceTest(
        status=SourceTestStatus.SUCCEEDED,
        duration_ms=made.duration_ms,
        samples=(Seen("shop.open", clock.now(), 3.0, {"name": "north"}), Seen("shop.open", clock.now(), 5.0, {"name": "south"})),
    )
    assert [(each.url, each.headers["Authorization"]) for each in web.asked] == [("http://shop/", "Bearer token")]


async def test_test_of_which_an_item_fails(clock: FakeClock) -> None:
    """The test has failed, and shows what it saw all the same."""
    made = await make_test(definition(ITEM, SourceItem("x", "$.shops[*]", "none")), "", FakeWeb(json.dumps(SHOPS).encode()), clock)
    assert (made.status, len(made.samples)) == (SourceTestStatus.FAILED, 2)
    assert made.error == "items[1]: no selected object has a member none; they have name, open"


def test_spread_shows_some_of_every_item(clock: FakeClock) -> None:
    """One with very many does not hide the others; together there are twenty."""
    many = gave(*(sample("a", value, clock.now()) for value in range(100)))
    few = gave(*(sample("b", value, clock.now()) for value in range(3)))
    shown = spread([many, ItemResult("c", error="no"), few])
    assert [each.metric_key for each in shown] == ["a"] * 17 + ["b"] * 3
    assert [each.value for each in shown[:17]] == list(range(17))


async def test_store_samples_gives_points_of_the_type(clock: FakeClock) -> None:
    """Their source is the source's type; labels come with them."""
    inbox = Inbox()
    results = [gave(sample("a", 1.0, clock.now(), job="x")), ItemResult("b"), gave(sample("c", 2.0, clock.now()))]
    assert await store_samples(inbox, clock, ORGANIZATION, "prometheus", results) == []
    assert sorted(inbox.points) == [("a", {"job": "x"}, "prometheus", 1.0), ("c", {}, "prometheus", 2.0)]


async def test_store_samples_refuses_an_item_by_itself(clock: FakeClock) -> None:
    """A time of the future, which no point may have, keeps no other item from being stored."""
    inbox = Inbox()
    future = sample("a", 1.0, clock.now() + timedelta(hours=1))
    results = [gave(future), gave(sample("b", 2.0, clock.now()))]
    refused = await store_samples(inbox, clock, ORGANIZATION, "thanos", results)
    assert [(position, message.partition(":")[0]) for position, message in refused] == [(0, "gives what cannot be stored")]
    assert [point[0] for point in inbox.points] == ["b"]


@pytest.mark.parametrize("reason", [Reason.STORE_UNAVAILABLE, Reason.OVERLOADED, Reason.QUOTA_EXHAUSTED])
async def test_store_samples_fails_as_the_store_does(clock: FakeClock, reason: Reason) -> None:
    """That is no fault of the source."""
    with pytest.raises(LumetryError) as caught:
        await store_samples(Inbox(LumetryError(reason, "no")), clock, ORGANIZATION, "http", [gave(sample("a", 1.0, clock.now()))])
    assert caught.value.reason is reason
