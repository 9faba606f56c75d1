"""Limiters of several cores on one PostgreSQL."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select

from lumetry_core.access.model import RateSettings
from lumetry_core.access.rates import MILLISECOND, build_limits
from lumetry_core.access.service.organizations import bootstrap
from lumetry_core.access.service.rates import RateLimiter
from lumetry_core.access.store.rates import Loan, LoanRequest, delete_full, lend, rate_buckets
from lumetry_core.migrations.tables import metadata
from lumetry_core.runtime.caller import Caller, CredentialKind, RateClass
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Database, open_database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import Origin, RateState
from tests.conftest import FakeClock, fresh_postgres

ORIGIN = Origin("r", "192.0.2.1", None, "secret")
ANN = Caller(7, CredentialKind.API_TOKEN, credential_id=5, user_id=3)


@pytest.fixture
async def shared(postgres_server: str) -> AsyncIterator[Database]:
    """A PostgreSQL database with all tables; on SQLite there is never a second core."""
    async with fresh_postgres(postgres_server, "template1", f"test_rates_{os.getpid()}") as url:
        database = open_database(url)
        async with database.write() as tx:
            await tx.connection.run_sync(metadata.create_all)
        yield database
        await database.close()


def make_limiter(clock: FakeClock, database: Database, **settings: int) -> RateLimiter:
    limits = build_limits(RateSettings(**settings), logs_key_rpm=1800, logs_organization_rpm=6000, limits_workspace=True)
    return RateLimiter(limits, clock, database)


async def is_granted(limiter: RateLimiter, cost: int = 1, caller: Caller = ANN) -> bool:
    try:
        await limiter.charge(ORIGIN, RateClass.GENERAL, caller, cost)
    except LumetryError as error:
        if error.reason is not Reason.RATE_LIMITED:
            raise
        return False
    return True


async def count_grants(limiters: list[RateLimiter], rounds: int) -> int:
    """All limiters ask at once, round after round."""
    granted = 0
    for _ in range(rounds):
        granted += sum(await asyncio.gather(*(is_granted(limiter) for limiter in limiters)))
    return granted


async def read_rows(database: Database) -> list[tuple[int, str, int]]:
    async with database.read() as tx:
        rows = await tx.execute(select(rate_buckets).order_by(rate_buckets.c.scope))
        return [(row.organization_id, row.scope, row.full_ns // MILLISECOND) for row in rows]


async def test_lend_gives_what_is_there(shared: Database, clock: FakeClock) -> None:
    """A new bucket is full; one that lacks something gives the rest; what is given back is there again."""
    now_ns = to_ms(clock.now()) * MILLISECOND
    second = 1000 * MILLISECOND

    async def ask(asked: int, at_ns: int, organization_id: int = 7) -> Loan:
        async with shared.write() as tx:
            [loan] = await lend(tx, [LoanRequest(organization_id, "s", asked, 10, second)], at_ns)
        return Loan(loan.lent, (loan.full_ns - now_ns) // second)

    assert await ask(4, now_ns) == Loan(4, 4)
    assert await ask(7, now_ns) == Loan(6, 10)
    assert await ask(1, now_ns) == Loan(0, 10)
    assert await ask(1, now_ns, 8) == Loan(1, 1)
    assert await ask(9, now_ns + 3 * second) == Loan(3, 13)
    assert await ask(-2, now_ns + 3 * second) == Loan(-2, 11)
    assert await ask(3, now_ns + 3 * second) == Loan(2, 13)
    assert await ask(20, now_ns + 60 * second) == Loan(10, 70)
    assert await ask(1, now_ns - 3600 * second) == Loan(0, -3590)
    assert await ask(1, now_ns - 3599 * second) == Loan(1, -3589)


async def test_lend_answers_in_the_order_of_the_requests(shared: Database, clock: FakeClock) -> None:
    """Rows are locked in another one."""
    now_ns = to_ms(clock.now()) * MILLISECOND
    requests = [LoanRequest(7, "b", 1, 10, 1000), LoanRequest(8, "a", 2, 10, 1000), LoanRequest(7, "a", 3, 10, 1000)]
    for times in (1, 2):
        async with shared.write() as tx:
            loans = await lend(tx, requests, now_ns)
        assert loans == [Loan(number, now_ns + number * times * 1000) for number in (1, 2, 3)]


async def test_delete_full_forgets_full_buckets_of_the_organization(shared: Database, clock: FakeClock) -> None:
    """Others stay."""
    now_ns = to_ms(clock.now()) * MILLISECOND
    async with shared.write() as tx:
        await lend(tx, [LoanRequest(7, "old", 1, 10, 1000), LoanRequest(7, "new", 9, 10, 1000), LoanRequest(8, "old", 1, 10, 1000)], now_ns)
    async with shared.write() as tx:
        await delete_full(tx, 7, now_ns + 2000)
    assert [row[:2] for row in await read_rows(shared)] == [(7, "new"), (8, "old")]


@pytest.mark.parametrize("cores", [1, 2, 3])
async def test_charge_grants_no_more_than_one_bucket_on_several_cores(shared: Database, clock: FakeClock, cores: int) -> None:
    """All cores together grant the capacity, then what flows in, and lose nothing to each other but what they hold."""
    limiters = [make_limiter(clock, shared, other_per_second=50) for _ in range(cores)]
    assert await count_grants(limiters, 120) <= 100
    held = cores * 5
    granted = await count_grants(limiters, 10)
    clock.advance(seconds=1)
    granted += await count_grants(limiters, 120)
    clock.advance(seconds=1)
    granted += await count_grants(limiters, 120)
    assert 100 - 2 * held <= granted <= 100 + held
    for limiter in limiters:
        await limiter.settle()


async def test_charge_takes_none_when_the_organization_is_out(shared: Database, clock: FakeClock) -> None:
    """The credential's tokens are kept for later."""
    limiter = make_limiter(clock, shared, other_per_second=5, organization_factor=1)
    other = Caller(7, CredentialKind.API_TOKEN, credential_id=6, user_id=4)
    assert [await is_granted(limiter) for _ in range(8)] == [True] * 8
    assert [await is_granted(limiter, caller=other) for _ in range(4)] == [True, True, False, False]
    clock.advance(seconds=1)
    assert [await is_granted(limiter, caller=other) for _ in range(6)] == [True] * 5 + [False]
    await limiter.settle()


async def test_charge_tells_what_is_left_in_the_shared_bucket(shared: Database, clock: FakeClock) -> None:
    """Tokens that are leased but not spent are counted as left."""
    limiter = make_limiter(clock, shared, other_per_second=5)
    now = to_ms(clock.now()) // 1000
    states = []
    for _ in range(3):
        states.append(await limiter.charge(ORIGIN, RateClass.GENERAL, ANN, 1))
        await limiter.settle()
    assert states == [RateState(10, 9, now + 1), RateState(10, 8, now + 1), RateState(10, 7, now + 1)]
    assert await is_granted(limiter, cost=11) is False
    assert await is_granted(limiter, cost=7) is True
    with pytest.raises(LumetryError) as refused:
        await limiter.charge(ORIGIN, RateClass.GENERAL, ANN, 1)
    assert refused.value.metadata == {"retry_after_seconds": "1", "limit": "10", "remaining": "0", "reset": str(now + 2)}
    await limiter.settle()


async def test_tick_gives_back_what_an_idle_core_holds(shared: Database, clock: FakeClock) -> None:
    """Another core can take it then; one token stays. Buckets that have been full for long are forgotten."""
    async with shared.write() as tx:
        await bootstrap(tx, clock.now(), None)
    caller = Caller(1, CredentialKind.API_TOKEN, credential_id=5, user_id=3)
    idle = make_limiter(clock, shared, other_per_second=200)
    for _ in range(50):
        assert await is_granted(idle, caller=caller)
    await idle.settle()
    held = await rows_missing(shared, clock) - 50
    assert 1 < held <= 20
    assert await idle.tick(clock.now()) is False
    assert await rows_missing(shared, clock) == 50 + held
    clock.advance(milliseconds=1001)
    await idle.tick(clock.now())
    assert await rows_missing(shared, clock) == 0  # all has flowed in meanwhile
    assert [row[1] for row in await read_rows(shared)] == ["general", "general/API_TOKEN/5"]
    clock.advance(minutes=4)
    await idle.tick(clock.now())
    assert await read_rows(shared) == []
    assert await is_granted(idle, caller=caller)
    await idle.settle()


async def rows_missing(database: Database, clock: FakeClock) -> int:
    """How many tokens a credential's bucket of 200 a second lacks in the database."""
    [full_ms] = [full_ms for _organization, scope, full_ms in await read_rows(database) if "/" in scope]
    return max(full_ms - to_ms(clock.now()), 0) // 5


async def test_charge_refuses_nobody_while_the_store_is_out(clock: FakeClock) -> None:
    """A fault of ours is no reason to limit anybody."""
    broken = open_database("postgresql://lumetry@127.0.0.1:1/none")
    limiter = make_limiter(clock, broken, other_per_second=5)
    assert [await is_granted(limiter) for _ in range(20)] == [True] * 20
    await limiter.settle()
    await broken.close()
