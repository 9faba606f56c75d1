"""Charges calls to their caller and its organization (contracts lumetry 20, logs 1.7, monitoring 1.6, workspace 1.9)."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lumetry_core.access.rates import (
    SECOND,
    UNKNOWN,
    Allowance,
    Buckets,
    Draw,
    FamilyLimits,
    Limit,
    Source,
    SteadyTime,
    read_level,
    take,
)
from lumetry_core.access.service.leases import Leases, Lender
from lumetry_core.runtime.caller import DIRECT_FAMILY, Caller, RateClass
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import Origin, RateState

KEPT_ADDRESSES = 10_000
OnRefusal = Callable[[Origin, RateClass, Caller], None]


@dataclass(frozen=True, slots=True)
class Pair:
    """The buckets of an allowance: of each credential, and of its organization."""

    own: Source
    organization: Source
    by_user_and_address: bool


class RateLimiter:
    """Keeps the buckets: in memory when this core is alone with its database or the limit is its own, else leased from the database.

    Client addresses without a credential are counted by each core for itself: strangers must not make it write.

    Implements `runtime.interceptors.Limiter`.
    """

    def __init__(
        self,
        limits: Mapping[str, FamilyLimits],
        clock: Clock,
        database: Database | None = None,
        on_refusal: OnRefusal | None = None,
    ) -> None:
        """Builds the limiter.

        Args:
            limits: By the name of the family; one that is not among them counts as the product's own.
            clock: Tells the time.
            database: Where other cores draw from the same buckets; used on PostgreSQL only. None: there are no others.
            on_refusal: Hears of each call of a known caller that is refused.
        """
        self._on_refusal = on_refusal
        self._clock = clock
        self._time = SteadyTime()
        self._lender = Lender(database, clock, self._time) if database is not None and database.is_postgresql else None
        allowances = {allowance for family in limits.values() for allowance in family.of_class.values()}
        pairs = {allowance: self._build(allowance) for allowance in allowances}
        self._pairs = {name: {rate: pairs[allowance] for rate, allowance in family.of_class.items()} for name, family in limits.items()}
        self._strangers = {name: Buckets(family.stranger, KEPT_ADDRESSES) for name, family in limits.items()}

    async def charge(self, origin: Origin, rate: RateClass, caller: Caller, cost: int) -> RateState:
        """See `runtime.interceptors.Limiter`."""
        draws = self._find_draws(origin, rate, caller)
        now = self._now()
        wait = take(draws, cost, now)
        while wait == UNKNOWN:
            if not await ask(draws, cost, now):
                break  # the store cannot be used, which is no reason to refuse anybody
            now = self._now()
            wait = take(draws, cost, now)
        state = self._state(draws, now)
        if wait > 0:
            if self._on_refusal is not None:
                self._on_refusal(origin, rate, caller)
            raise refusal(wait, state)
        return state

    def charge_stranger(self, origin: Origin) -> RateState:
        """See `runtime.interceptors.Limiter`."""
        family = origin.family if origin.family in self._strangers else DIRECT_FAMILY
        draws = ((self._strangers[family], origin.address),)
        now = self._now()
        wait = take(draws, 1, now)
        state = self._state(draws, now)
        if wait:
            raise refusal(wait, state)
        return state

    async def tick(self, now: datetime) -> bool:
        """Gives back what other cores may need. Never says that there is more to do."""
        if self._lender is not None:
            await self._lender.give_back_idle()
        return False

    async def settle(self) -> None:
        """Waits for what is under way with the database."""
        if self._lender is not None:
            await self._lender.settle()

    def _build(self, allowance: Allowance) -> Pair:
        lender = self._lender if allowance.is_shared else None

        def build(limit: Limit) -> Source:
            return Buckets(limit) if lender is None else Leases(allowance.name, limit, lender)

        return Pair(build(allowance.credential), build(allowance.organization), allowance.by_user_and_address)

    def _find_draws(self, origin: Origin, rate: RateClass, caller: Caller) -> tuple[Draw, Draw]:
        pair = self._pairs[origin.family if origin.family in self._pairs else DIRECT_FAMILY][rate]
        organization_id = caller.organization_id
        key: tuple[Any, ...]
        if pair.by_user_and_address:
            key = (organization_id, caller.user_id, origin.address)
        else:
            key = (organization_id, caller.kind, caller.credential_id)
        return (pair.own, key), (pair.organization, (organization_id,))

    def _now(self) -> int:
        return self._time.read(self._clock.now())

    def _state(self, draws: Sequence[Draw], now: int) -> RateState:
        level = read_level(draws, now)
        full_ns = now + level.until_full - self._time.set_back
        return RateState(level.capacity, level.tokens, -(-full_ns // SECOND) if level.until_full else full_ns // SECOND)


class AddressLimiter:
    """Limits what may be called without a credential, by client address, in each core for itself: strangers must not make it write."""

    def __init__(self, limit: Limit, clock: Clock) -> None:
        self._clock = clock
        self._time = SteadyTime()
        self._buckets = Buckets(limit, KEPT_ADDRESSES)

    def charge(self, address: str | None) -> None:
        """Charges a call. Fails with RATE_LIMITED."""
        draws, now = ((self._buckets, address),), self._time.read(self._clock.now())
        wait = take(draws, 1, now)
        if wait:
            level = read_level(draws, now)
            full_ns = now + level.until_full - self._time.set_back
            raise refusal(wait, RateState(level.capacity, level.tokens, -(-full_ns // SECOND)))


async def ask(draws: Sequence[Draw], cost: int, now: int) -> bool:
    """Waits until the database has told of all the buckets about which too little is known; False when it cannot be asked."""
    rounds = {asked for source, key in draws if isinstance(source, Leases) and (asked := source.ask(key, cost, now)) is not None}
    # Shielded: others wait for the same.
    return all([await asyncio.shield(asked) for asked in rounds])


def refusal(wait: int, state: RateState) -> LumetryError:
    """The failure of a call that must wait so many nanoseconds."""
    return LumetryError(
        Reason.RATE_LIMITED,
        "Too many requests.",
        retry_after_seconds=str(-(-wait // SECOND)),
        limit=str(state.limit),
        remaining=str(state.remaining),
        reset=str(state.reset),
    )
