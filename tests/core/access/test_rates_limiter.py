"""The limiter in memory, as on SQLite."""

from dataclasses import replace
from typing import Any

import pytest

from lumetry_core.access.model import RateSettings
from lumetry_core.access.rates import INQUIRIES, build_limits
from lumetry_core.access.service.rates import AddressLimiter, RateLimiter
from lumetry_core.runtime.caller import Caller, CredentialKind, RateClass
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import Origin, RateState
from tests.conftest import FakeClock

ORIGIN = Origin("r", "192.0.2.1", None, "secret")
ANN = Caller(7, CredentialKind.API_TOKEN, credential_id=5, user_id=3)
BEN = Caller(7, CredentialKind.API_TOKEN, credential_id=6, user_id=4)
CAT = Caller(8, CredentialKind.API_TOKEN, credential_id=7, user_id=5)


def make_limiter(clock: FakeClock, *, key_rpm: int = 1800, limits_workspace: bool = True, **settings: int) -> RateLimiter:
    limits = build_limits(
        RateSettings(**settings), logs_key_rpm=key_rpm, logs_organization_rpm=6000 if key_rpm else 0, limits_workspace=limits_workspace
    )
    return RateLimiter(limits, clock)


async def grants(limiter: RateLimiter, count: int, caller: Caller = ANN, *, family: str = "lumetry", **call: Any) -> int:
    """How many of so many calls are let through."""
    granted = 0
    for _ in range(count):
        try:
            await limiter.charge(
                replace(ORIGIN, family=family, address=call.get("address", "192.0.2.1")), call.get("rate", RateClass.GENERAL), caller, 1
            )
            granted += 1
        except LumetryError as error:
            if error.reason is not Reason.RATE_LIMITED:
                raise
    return granted


async def refusal_of(limiter: RateLimiter, caller: Caller = ANN, cost: int = 1, *, family: str = "lumetry") -> dict[str, str]:
    with pytest.raises(LumetryError) as refused:
        await limiter.charge(replace(ORIGIN, family=family), RateClass.GENERAL, caller, cost)
    assert refused.value.reason is Reason.RATE_LIMITED
    return refused.value.metadata


async def test_charge_grants_the_burst_and_then_the_rate(clock: FakeClock) -> None:
    """Twice the rate at once, then the rate; classes and credentials have buckets of their own."""
    limiter = make_limiter(clock, other_per_second=5, ingest_per_second=7)
    assert await grants(limiter, 20) == 10
    clock.advance(seconds=1)
    assert await grants(limiter, 20) == 5
    assert await grants(limiter, 20, BEN) == 10
    assert await grants(limiter, 20, rate=RateClass.INGEST) == 14
    clock.advance(hours=1)
    assert await grants(limiter, 20) == 10


async def test_charge_refuses_with_all_that_a_client_needs(clock: FakeClock) -> None:
    """When to come again, how much it may, how much is left and when all is back."""
    limiter = make_limiter(clock, other_per_second=5)
    now = to_ms(clock.now()) // 1000
    assert await limiter.charge(ORIGIN, RateClass.GENERAL, ANN, 1) == RateState(10, 9, now + 1)
    assert await limiter.charge(ORIGIN, RateClass.GENERAL, ANN, 8) == RateState(10, 1, now + 2)
    assert await refusal_of(limiter, cost=8) == {"retry_after_seconds": "2", "limit": "10", "remaining": "1", "reset": str(now + 2)}
    assert await limiter.charge(ORIGIN, RateClass.GENERAL, ANN, 0) == RateState(10, 1, now + 2)
    assert await limiter.charge(ORIGIN, RateClass.GENERAL, ANN, -8) == RateState(10, 9, now + 1)


async def test_charge_refuses_when_the_organization_is_out(clock: FakeClock) -> None:
    """Its bucket is a multiple of a credential's; what it refuses costs the credential nothing. Others do not notice."""
    limiter = make_limiter(clock, other_per_second=5, organization_factor=1)
    assert await grants(limiter, 6, ANN) == 6
    assert await grants(limiter, 6, BEN) == 4
    assert await grants(limiter, 6, CAT) == 6
    clock.advance(milliseconds=200)
    assert await grants(limiter, 6, BEN) == 1
    assert (await limiter.charge(ORIGIN, RateClass.GENERAL, BEN, 0)).remaining == 0
    clock.advance(seconds=1)
    assert await grants(limiter, 10, BEN) == 5


async def test_charge_survives_a_clock_that_is_set_back(clock: FakeClock) -> None:
    """Nothing is lost and nothing is won, and the rate goes on."""
    limiter = make_limiter(clock, other_per_second=5)
    assert await grants(limiter, 8) == 8
    clock.advance(hours=-1)
    now = to_ms(clock.now()) // 1000
    assert await limiter.charge(ORIGIN, RateClass.GENERAL, ANN, 0) == RateState(10, 2, now + 2)
    assert await grants(limiter, 8) == 2
    clock.advance(seconds=1)
    assert await grants(limiter, 8) == 5


async def test_charge_counts_all_calls_of_the_logs_family_together(clock: FakeClock) -> None:
    """1,800 a minute for a key, 6,000 for its organization; other families are apart."""
    limiter = make_limiter(clock)
    assert await grants(limiter, 1000, family="logs", rate=RateClass.INGEST) == 1000
    assert await grants(limiter, 1000, family="logs") == 800
    clock.advance(seconds=1)
    assert await grants(limiter, 1000, family="logs") == 30
    assert await grants(limiter, 100) == 100
    for number in range(10, 13):
        await grants(limiter, 1800, replace(ANN, kind=CredentialKind.LOG_KEY, credential_id=number), family="logs")
    assert (await refusal_of(limiter, BEN, family="logs"))["limit"] == "6000"


async def test_charge_without_limits_tells_a_million(clock: FakeClock) -> None:
    """0 switches a bucket off."""
    limiter = make_limiter(clock, key_rpm=0)
    assert await grants(limiter, 5000, family="logs") == 5000
    state = await limiter.charge(replace(ORIGIN, family="logs"), RateClass.GENERAL, ANN, 1)
    assert state == RateState(1_000_000, 1_000_000, to_ms(clock.now()) // 1000)


async def test_charge_counts_sensitive_calls_of_the_workspace_by_user_and_address(clock: FakeClock) -> None:
    """Ten, then one a minute, whatever credential the user takes; general calls are apart."""
    limiter = make_limiter(clock)
    other_token = replace(ANN, credential_id=99)
    sensitive = {"family": "workspace", "rate": RateClass.SENSITIVE}
    assert await grants(limiter, 8, **sensitive) == 8
    assert await grants(limiter, 8, other_token, **sensitive) == 2
    assert await grants(limiter, 8, address="192.0.2.2", **sensitive) == 8
    assert await grants(limiter, 8, BEN, **sensitive) == 8
    clock.advance(minutes=4)
    assert await grants(limiter, 8, **sensitive) == 4
    assert await grants(limiter, 200, family="workspace") == 100
    assert await grants(limiter, 500, family="lumetry", rate=RateClass.SENSITIVE) == 400


async def test_charge_lets_the_workspace_be_off(clock: FakeClock) -> None:
    """Then nothing of that family is limited, strangers included."""
    limiter = make_limiter(clock, limits_workspace=False)
    assert await grants(limiter, 500, family="workspace") == 500
    assert await grants(limiter, 50, family="workspace", rate=RateClass.SENSITIVE) == 50
    origin = replace(ORIGIN, family="workspace")
    assert [limiter.charge_stranger(origin).limit for _ in range(1000)] == [1_000_000] * 1000


async def test_charge_takes_an_unknown_family_for_the_product(clock: FakeClock) -> None:
    """A gateway of another release cannot make a credential's calls free."""
    limiter = make_limiter(clock, other_per_second=5)
    assert await grants(limiter, 20, family="unheard-of") == 10
    assert await grants(limiter, 20) == 0


async def test_charge_stranger_by_address(clock: FakeClock) -> None:
    """Sixty failed credentials a minute from an address in the family of logs; credentials that are good do not suffer."""
    limiter = make_limiter(clock)
    origin = replace(ORIGIN, family="logs")
    now = to_ms(clock.now()) // 1000
    assert [limiter.charge_stranger(origin) for _ in range(60)] == [RateState(60, 59 - number, now + 1 + number) for number in range(60)]
    with pytest.raises(LumetryError) as refused:
        limiter.charge_stranger(origin)
    assert (refused.value.reason, refused.value.metadata) == (
        Reason.RATE_LIMITED,
        {"retry_after_seconds": "1", "limit": "60", "remaining": "0", "reset": str(now + 60)},
    )
    assert limiter.charge_stranger(replace(origin, address="192.0.2.2")).remaining == 59
    assert limiter.charge_stranger(ORIGIN).remaining == 399
    assert await grants(limiter, 10, family="logs") == 10


def test_address_limiter_has_a_bucket_for_each_address(clock: FakeClock) -> None:
    """Five calls an hour from an address, others unhindered; a clock that is set back gives nobody anything."""
    limiter = AddressLimiter(INQUIRIES, clock)
    for _ in range(5):
        limiter.charge("192.0.2.1")
    with pytest.raises(LumetryError) as refused:
        limiter.charge("192.0.2.1")
    assert (refused.value.reason, refused.value.metadata["retry_after_seconds"]) == (Reason.RATE_LIMITED, "720")
    limiter.charge("192.0.2.2")
    clock.advance(hours=-1)
    with pytest.raises(LumetryError):
        limiter.charge("192.0.2.1")
    clock.advance(minutes=12)
    limiter.charge("192.0.2.1")
