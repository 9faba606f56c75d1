from dataclasses import replace
from datetime import UTC, datetime

from lumetry_core.endpoints.checking import TlsSight
from lumetry_core.endpoints.model import Config, Endpoint, EndpointType, Source
from lumetry_core.endpoints.sightings import AGAIN_SECONDS, Sighting, Sightings

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
SHOP = Endpoint(
    id=1,
    organization_id=7,
    source=Source.STANDALONE,
    name="shop",
    config=Config(endpoint_type=EndpointType.HTTP, target="https://shop.test/"),
    first_seen_time=NOW,
    last_seen_time=NOW,
)
SIGHT = TlsSight("shop.test", 443, "a" * 64)


async def test_take_gives_what_is_new_changed_or_old() -> None:
    """What was seen again is not looked at for an hour, another certificate at once."""
    times = [0.0]
    sightings = Sightings(lambda: times[0])

    async def noted(sight: TlsSight) -> list[Sighting]:
        sightings.note(SHOP, sight)
        sightings.note(replace(SHOP, id=2), TlsSight("other.test", 443, str(times[0])))  # so that there is always one
        return [each for each in await sightings.take(10) if each.endpoint.id == 1]

    wanted = [Sighting(SHOP, "shop.test", 443)]
    assert await noted(SIGHT) == wanted
    times[0] = 30.0
    assert await noted(SIGHT) == []
    assert await noted(replace(SIGHT, fingerprint=None)) == wanted
    times[0] += AGAIN_SECONDS
    assert await noted(replace(SIGHT, fingerprint=None)) == wanted
    sightings.forget(wanted[0])
    assert await noted(replace(SIGHT, fingerprint=None)) == wanted


async def test_take_gives_each_endpoint_once() -> None:
    """However often it was seen meanwhile; the others wait for the next round."""
    sightings = Sightings(lambda: 0.0)
    for number in (1, 2, 1, 3):
        sightings.note(replace(SHOP, id=number), replace(SIGHT, fingerprint=str(number)))
    first, second = await sightings.take(2), await sightings.take(2)
    assert [each.endpoint.id for each in (*first, *second)] == [1, 2, 3]
