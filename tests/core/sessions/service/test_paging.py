"""Paging over sessions that change meanwhile (contract workspace 15.13)."""

import random

import pytest

from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.core.sessions.building import listed, open_session, say, update

SESSIONS = 14


@pytest.mark.parametrize("seed", range(3))
async def test_list_sessions_keeps_places_while_sessions_change(database: Database, clock: FakeClock, seed: int) -> None:
    """Whatever is written, changed or opened between two pages: what was there at first comes once each, in the first order."""
    chance = random.Random(seed)
    ids = {f"s{number}": (await open_session(database, clock, label=f"s{number}")).id for number in range(SESSIONS)}

    async def change() -> None:
        session_id = ids[chance.choice(sorted(ids))]
        match chance.randrange(4):
            case 0:
                await update(database, clock, session_id, metadata=f'{{"n": {chance.random()}}}')
            case 1:
                await open_session(database, clock, label="new")
            case _:
                await say(database, clock, session_id)

    for _ in range(10):
        await change()
    expected, _ = await listed(database)
    seen, cursor = await listed(database, limit=2)
    while cursor:
        for _ in range(chance.randrange(5)):
            await change()
        page, cursor = await listed(database, limit=2, cursor=cursor)
        seen += page
    assert seen == expected
