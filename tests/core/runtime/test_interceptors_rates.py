"""What calls cost, and what gateways are told of it."""

from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import pytest

from lumetry.runtime.v1 import status_service_pb2, status_service_pb2_grpc
from lumetry_core.runtime.caller import Caller, Permission, RateClass
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import Origin, RateState, admit_current, charge_current
from tests.core.runtime.test_interceptors import (
    CALLS,
    GOOD,
    OPEN,
    STATUS,
    VIEWERS,
    Failed,
    Metadata,
    Stage,
    failure_of,
    get_readiness,
    serving,
)


@dataclass
class Purse:
    """A limiter with one bucket for callers and one for strangers, which remembers who was charged for what."""

    tokens: int = 100
    for_strangers: int = 100
    charges: list[tuple[str, RateClass | None, int]] = field(default_factory=list)

    async def charge(self, origin: Origin, rate: RateClass, caller: Caller, cost: int) -> RateState:
        self.charges.append((origin.family, rate, cost))
        return self.take(cost)

    def charge_stranger(self, origin: Origin) -> RateState:
        self.charges.append((origin.family, None, 1))
        if not self.for_strangers:
            raise LumetryError(Reason.RATE_LIMITED, "Go.", retry_after_seconds="1", limit="60", remaining="0", reset="99")
        self.for_strangers -= 1
        return RateState(60, self.for_strangers, 99)

    def take(self, cost: int) -> RateState:
        if cost > self.tokens:
            message = "Too many requests."
            raise LumetryError(Reason.RATE_LIMITED, message, retry_after_seconds="3", limit="100", remaining=str(self.tokens), reset="77")
        self.tokens -= cost
        return RateState(100, self.tokens, 77)


async def read_rate(call: Any) -> tuple[int, int, int] | None:
    """What a call, failed or not, tells of the caller's rate."""
    try:
        await call
        metadata = await call.trailing_metadata()
    except grpc.aio.AioRpcError as error:
        metadata = error.trailing_metadata()
    told = {key.removeprefix("x-ratelimit-"): int(value) for key, value in metadata if key.startswith("x-ratelimit-")}
    return (told["limit"], told["remaining"], told["reset"]) if told else None


def start_readiness(channel: grpc.aio.Channel, metadata: Metadata) -> Any:
    return status_service_pb2_grpc.StatusServiceStub(channel).GetReadiness(
        status_service_pb2.GetReadinessRequest(), metadata=metadata, timeout=10
    )


GATEWAY = (*GOOD, ("x-lumetry-family", "logs"))
LIMITED = Failed(
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    "Too many requests.",
    "RATE_LIMITED",
    {"retry_after_seconds": "3", "limit": "100", "remaining": "0", "reset": "77"},
)
READINESS = f"/{STATUS}/GetReadiness"


async def test_call_is_charged_by_family_and_class() -> None:
    """One token for a call of any shape; a direct call counts as the product's own."""
    purse, stage = Purse(), Stage()
    accesses = dict.fromkeys(CALLS, replace(VIEWERS, rate=RateClass.INGEST))
    async with serving(stage, accesses, limiter=purse) as channel:
        for call in CALLS.values():
            await call(channel, GOOD)
        await get_readiness(channel, GATEWAY)
    assert purse.charges == [("lumetry", RateClass.INGEST, 1)] * 3 + [("logs", RateClass.INGEST, 1)]


@pytest.mark.parametrize("method", CALLS)
async def test_call_over_its_rate_is_refused(method: str) -> None:
    """Nothing of it runs."""
    stage = Stage()
    async with serving(stage, dict.fromkeys(CALLS, VIEWERS), limiter=Purse(0)) as channel:
        assert await failure_of(CALLS[method](channel, GOOD)) == LIMITED
    assert stage.seen == []


async def test_call_that_is_public_or_unlimited_costs_nothing() -> None:
    """Not even with a credential."""
    purse = Purse(0)
    unlimited = replace(VIEWERS, rate=RateClass.UNLIMITED)
    async with serving(Stage(public=True), {READINESS: OPEN}, limiter=purse) as channel:
        assert await read_rate(start_readiness(channel, GATEWAY)) is None
    async with serving(Stage(), {READINESS: unlimited}, limiter=purse) as channel:
        assert await read_rate(start_readiness(channel, GATEWAY)) is None
    assert purse.charges == []


async def test_call_tells_a_gateway_the_rate() -> None:
    """Behind answers and failures of every kind; a direct client is told nothing."""
    purse, stage = Purse(3), Stage()
    bad = (("authorization", "Bearer bad"), ("x-lumetry-family", "logs"))
    async with serving(stage, dict.fromkeys(CALLS, VIEWERS), limiter=purse) as channel:
        assert await read_rate(start_readiness(channel, GATEWAY)) == (100, 2, 77)
        assert await read_rate(start_readiness(channel, GOOD)) is None

        def fail() -> None:
            raise LumetryError(Reason.NOT_FOUND, "No.")

        stage.act = fail
        assert await read_rate(start_readiness(channel, GATEWAY)) == (100, 0, 77)
        assert await read_rate(start_readiness(channel, GATEWAY)) == (100, 0, 77)
        assert await read_rate(start_readiness(channel, bad)) == (60, 99, 99)


async def test_call_without_good_credential_costs_its_address() -> None:
    """Who fails too often is told so instead; a good credential from there does not suffer."""
    purse = Purse(for_strangers=2)
    async with serving(Stage(), dict.fromkeys(CALLS, VIEWERS), limiter=purse) as channel:
        failures = [await failure_of(get_readiness(channel, metadata)) for metadata in ((), (("authorization", "Bearer bad"),), ())]
        await get_readiness(channel, GOOD)
    assert [failure.reason for failure in failures] == ["UNAUTHENTICATED", "UNAUTHENTICATED", "RATE_LIMITED"]
    assert failures[2].metadata == {"retry_after_seconds": "1", "limit": "60", "remaining": "0", "reset": "99"}
    assert purse.charges == [("lumetry", None, 1)] * 3 + [("lumetry", RateClass.GENERAL, 1)]


async def test_call_that_authentication_cannot_judge_costs_nobody() -> None:
    """A store that is out is not the client's fault."""
    purse = Purse()

    async def out(origin: Origin) -> Caller:
        raise LumetryError(Reason.STORE_UNAVAILABLE, "Later.")

    async with serving(Stage(), dict.fromkeys(CALLS, VIEWERS), limiter=purse, by=out) as channel:
        assert (await failure_of(get_readiness(channel, GOOD))).reason == "STORE_UNAVAILABLE"
    assert purse.charges == []


@pytest.mark.parametrize(
    ("rate", "reasons"),
    [
        (RateClass.GENERAL, ["PERMISSION_DENIED", "RATE_LIMITED"]),
        (RateClass.SENSITIVE, ["PERMISSION_DENIED", "PERMISSION_DENIED"]),
    ],
)
async def test_call_that_is_not_allowed_costs_too(rate: RateClass, reasons: list[str]) -> None:
    """The rate is checked before the permission, but for sensitive calls, which it comes before."""
    purse = Purse(1)
    closed = replace(VIEWERS, any_of=frozenset({Permission.MANAGE_USERS}), rate=rate)
    async with serving(Stage(), {READINESS: closed}, limiter=purse) as channel:
        assert [(await failure_of(get_readiness(channel, GOOD))).reason for _ in range(2)] == reasons
    assert purse.charges == [("lumetry", rate, 1)] * 2


async def test_call_that_prepares_another_is_free() -> None:
    """A gateway says so; a call that is refused prepares nothing and costs."""
    purse = Purse(1)
    free = (*GATEWAY, ("x-lumetry-charge", "0"))
    closed = replace(VIEWERS, any_of=frozenset({Permission.MANAGE_USERS}))
    async with serving(Stage(work=lambda: charge_current(5)), {READINESS: VIEWERS}, limiter=purse) as channel:
        assert await read_rate(start_readiness(channel, free)) == (100, 1, 77)
    async with serving(Stage(), {READINESS: closed}, limiter=purse) as channel:
        assert await read_rate(start_readiness(channel, free)) == (100, 0, 77)
    assert [cost for _family, _rate, cost in purse.charges] == [0, 1]


async def test_charge_current_pays_for_what_a_call_holds() -> None:
    """The first batch was paid with the call."""
    purse = Purse()

    async def work() -> None:
        for cost in (3, 0, 1, 1):
            await charge_current(cost)

    async with serving(Stage(work=work), dict.fromkeys(CALLS, VIEWERS), limiter=purse) as channel:
        for call in CALLS.values():
            await call(channel, GOOD)
        assert await read_rate(start_readiness(channel, GATEWAY)) == (100, 80, 77)
    assert [cost for _family, _rate, cost in purse.charges] == [1, 2, 1, 1] * 4


async def test_charge_current_takes_all_or_none() -> None:
    """What was paid with the call is given back when the rest is refused."""
    purse = Purse(3)
    async with serving(Stage(work=lambda: charge_current(4)), dict.fromkeys(CALLS, VIEWERS), limiter=purse) as channel:
        failure = await failure_of(get_readiness(channel, GOOD))
    assert failure == replace(LIMITED, metadata={**LIMITED.metadata, "remaining": "2"})
    assert purse.tokens == 3


async def test_charge_current_without_limiter_does_nothing() -> None:
    """As in a public RPC."""
    async with serving(Stage(work=lambda: charge_current(4)), dict.fromkeys(CALLS, VIEWERS)) as channel:
        await get_readiness(channel, GOOD)
    purse = Purse()
    async with serving(Stage(public=True, work=lambda: charge_current(4)), {READINESS: OPEN}, limiter=purse) as channel:
        await get_readiness(channel)
    assert purse.charges == []


async def test_admit_current_stands_for_another_call() -> None:
    """A public RPC can ask whether its caller could make one, at the price of that one."""
    purse = Purse(2)
    ingest = replace(VIEWERS, rate=RateClass.INGEST)
    async with serving(Stage(public=True, work=lambda: admit_current(ingest)), {READINESS: OPEN}, limiter=purse) as channel:
        assert await read_rate(start_readiness(channel, GATEWAY)) == (100, 1, 77)
        assert (await failure_of(get_readiness(channel))).reason == "UNAUTHENTICATED"
        assert await read_rate(start_readiness(channel, (*GATEWAY, ("x-lumetry-charge", "0")))) == (100, 1, 77)
        await get_readiness(channel, GOOD)
        assert await failure_of(get_readiness(channel, GOOD)) == LIMITED
    rates = [(rate, cost) for _family, rate, cost in purse.charges]
    assert rates == [(RateClass.INGEST, 1), (None, 1), (RateClass.INGEST, 0), (RateClass.INGEST, 1), (RateClass.INGEST, 1)]
