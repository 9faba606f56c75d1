"""Tokens of shared buckets, a tenth of a second's use at a time, so that few calls wait for the database.

Every core takes its tokens from the database before it spends them. In any stretch of time all cores together therefore grant at most
what one bucket would, and what they held when it began: each core a tenth of a second's worth of the limit, at least one token.
"""

import asyncio
from typing import Any

import structlog

from lumetry_core.access.rates import KEPT_BUCKETS, MILLISECOND, SECOND, UNKNOWN, Limit, SteadyTime
from lumetry_core.access.service.organizations import list_organization_ids
from lumetry_core.access.store.rates import Loan, LoanRequest, delete_full, lend
from lumetry_core.runtime.clock import Clock, to_ms
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason

log = structlog.get_logger(__name__)

WORTH = SECOND // 10
"""Nanoseconds of use that a lease covers."""
IDLE = SECOND
"""A lease that was not used for so long goes back, but for one token, which keeps the next call from waiting."""
FORGET_INTERVAL = 60 * SECOND
KEPT = 180 * SECOND
"""How long a full bucket is kept, here and there."""
PACE_SECONDS = 0.005
"""Between two statements, so that those who want more than there is do not keep the database busy."""


class Lease:
    """Tokens of one bucket that this core may spend. Times are steady, in nanoseconds."""

    __slots__ = ("asked_time", "chunk", "full_time", "is_filling", "key", "limit", "name", "short", "spent", "tokens", "used_time")

    def __init__(self, name: str, key: tuple[Any, ...], limit: Limit, now: int) -> None:
        self.name = name
        self.key = key
        self.limit = limit
        self.tokens = 0
        self.full_time: int | None = None
        """When the bucket is full again, as far as is known; None: never asked."""
        self.is_filling = False
        self.short = 0
        """What calls wait for."""
        self.spent = 0
        """Since `asked_time`."""
        self.chunk = 1
        self.asked_time = now
        self.used_time = now

    def wait(self, cost: int, now: int) -> int:
        """See `Source.wait`."""
        missing = cost - self.tokens
        if missing <= 0:
            return 0
        if cost > self.limit.capacity:
            return cost * self.limit.interval
        if self.full_time is None:
            return UNKNOWN
        # Other cores can only have made it fuller later: before that time nobody needs to ask.
        wait = max(self.full_time - now, 0) + (missing - self.limit.capacity) * self.limit.interval
        return wait if wait > 0 else UNKNOWN

    def plan(self, now: int) -> int:
        """How many tokens to ask for; negative: to give back, and they are gone from here."""
        idle = now - self.used_time
        if idle >= IDLE and not self.short:
            surplus = max(self.tokens - 1, 0)
            self.tokens -= surplus
            self.chunk = 1
            return -surplus
        used = -(-self.spent * WORTH // max(now - self.asked_time, MILLISECOND))
        self.chunk = max(min(used, WORTH // self.limit.interval), self.chunk // 2, 1)
        asked = max(self.chunk, self.short) - self.tokens
        self.spent, self.short, self.asked_time = 0, 0, now
        return max(min(asked, self.limit.capacity), 0)


class Lender:
    """Asks the database for all leases that need tokens, in one statement after the other."""

    def __init__(self, database: Database, clock: Clock, time: SteadyTime) -> None:
        self._database = database
        self._clock = clock
        self._time = time
        self._waiting: dict[Lease, None] = {}
        self._round: asyncio.Future[bool] | None = None
        self._task: asyncio.Task[None] | None = None
        self._rich: dict[Lease, None] = {}
        self._forget_time = 0

    def ask(self, lease: Lease) -> asyncio.Future[bool]:
        """Has a lease filled soon. The future tells whether the database could be asked; do not cancel it."""
        self._waiting[lease] = None
        if self._round is None:
            self._round = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._serve())
        return self._round

    async def give_back_idle(self) -> None:
        """Gives back what is not used, and forgets full buckets now and then. Fails with STORE_UNAVAILABLE."""
        now = self._time.read(self._clock.now())
        idle = [lease for lease in self._rich if now - lease.used_time >= IDLE]
        for lease in idle:
            self.ask(lease)
        await self.settle()
        if now >= self._forget_time:
            self._forget_time = now + FORGET_INTERVAL
            before_ns = to_ms(self._clock.now()) * MILLISECOND - KEPT
            async with self._database.read() as tx:
                organization_ids = await list_organization_ids(tx)
            for organization_id in organization_ids:
                async with self._database.write() as tx:
                    await delete_full(tx, organization_id, before_ns)

    async def settle(self) -> None:
        """Waits until every lease that was asked for is filled."""
        while self._task is not None:
            await asyncio.shield(self._task)

    async def _serve(self) -> None:
        try:
            while self._waiting and self._round is not None:
                leases, done = list(self._waiting), self._round
                self._waiting, self._round = {}, None
                try:
                    done.set_result(await self._fill(leases))
                except Exception as error:
                    log.exception("tokens could not be leased")
                    done.set_exception(error)
                    done.exception()  # there may be nobody who waits and raises it
                if self._waiting:
                    await asyncio.sleep(PACE_SECONDS)
        finally:
            self._task = None

    async def _fill(self, leases: list[Lease]) -> bool:
        now_ns = to_ms(self._clock.now()) * MILLISECOND
        now = self._time.read(self._clock.now())
        requests = []
        for lease in leases:
            lease.is_filling = True
            requests.append(write_request(lease, lease.plan(now)))
        try:
            async with self._database.write() as tx:
                loans = await lend(tx, requests, now_ns)
        except LumetryError as error:
            if error.reason is not Reason.STORE_UNAVAILABLE:
                raise
            log.warning("rates are not limited while the store cannot be used")
            return False
        finally:
            for lease in leases:
                lease.is_filling = False
        for lease, request, loan in zip(leases, requests, loans, strict=True):
            self._take(lease, request, loan)
        return True

    def _take(self, lease: Lease, request: LoanRequest, loan: Loan) -> None:
        if request.asked > 0:
            lease.tokens += loan.lent
        lease.full_time = loan.full_ns + self._time.set_back
        if lease.tokens > 1:
            self._rich[lease] = None
        else:
            self._rich.pop(lease, None)


def write_request(lease: Lease, asked: int) -> LoanRequest:
    """A lease's wish as the store takes it. Its key starts with the organization."""
    scope = "/".join((lease.name, *(str(part) for part in lease.key[1:])))
    return LoanRequest(lease.key[0], scope, asked, lease.limit.capacity, lease.limit.interval)


class Leases:
    """The shared buckets of one limit. Keys are tuples that start with the organization. A `Source`."""

    def __init__(self, name: str, limit: Limit, lender: Lender, kept: int = KEPT_BUCKETS) -> None:
        self.limit = limit
        self._name = name
        self._lender = lender
        self._kept = kept
        # In order of their last use.
        self._leases: dict[tuple[Any, ...], Lease] = {}

    def wait(self, key: tuple[Any, ...], cost: int, now: int) -> int:
        """See `Source`."""
        if not self.limit.capacity:
            return 0
        lease = self._leases.get(key)
        if lease is None:
            lease = self._find(key, now)
        return lease.wait(cost, now)

    def take(self, key: tuple[Any, ...], cost: int, now: int) -> None:
        """See `Source`."""
        if not self.limit.capacity:
            return
        lease = self._find(key, now)
        lease.tokens -= cost
        lease.spent += cost
        lease.used_time = now
        if lease.tokens * 2 < lease.chunk and not lease.is_filling:
            self._lender.ask(lease)

    def until_full(self, key: tuple[Any, ...], now: int) -> int:
        """See `Source`."""
        lease = self._leases.get(key)
        if lease is None or lease.full_time is None:
            return 0
        return max(max(lease.full_time - now, 0) - lease.tokens * self.limit.interval, 0)

    def ask(self, key: tuple[Any, ...], cost: int, now: int) -> asyncio.Future[bool] | None:
        """Asks the database for tokens that a call waits for; None when they are there. See `Lender.ask`."""
        if self.wait(key, cost, now) != UNKNOWN:
            return None
        lease = self._find(key, now)
        lease.short += cost
        lease.used_time = now
        return self._lender.ask(lease)

    def _find(self, key: tuple[Any, ...], now: int) -> Lease:
        lease = self._leases.pop(key, None)
        if lease is None:
            self._drop_idle(now)
            lease = Lease(self._name, key, self.limit, now)
        self._leases[key] = lease
        return lease

    def _drop_idle(self, now: int) -> None:
        # As `Buckets` does it. The token that may go with a lease has long flowed in again.
        for _ in range(2):
            oldest = next(iter(self._leases), None)
            if oldest is None or (now - self._leases[oldest].used_time < KEPT and len(self._leases) < self._kept):
                return
            del self._leases[oldest]
