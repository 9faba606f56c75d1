import asyncio
import time

import pytest
from argon2 import extract_parameters

from lumetry_core.access.model import MAX_PASSWORD_LENGTH
from lumetry_core.access.passwords import HASHER, NOBODYS_HASH, WAITING_CHECKS, PasswordChecker, hash_password
from lumetry_core.runtime.errors import LumetryError, Reason

PASSWORD = "correct horse battery staple"


async def test_check_right_and_wrong() -> None:
    """Only the very password matches; without a hash none does."""
    checker = PasswordChecker()
    stored = await hash_password(PASSWORD)
    assert stored.startswith("$argon2id$")
    assert await checker.check(stored, PASSWORD)
    assert not await checker.check(stored, PASSWORD + "!")
    assert not await checker.check(None, PASSWORD)
    assert not await checker.check("no hash", PASSWORD)


async def test_check_refuses_overlong_passwords() -> None:
    """What nobody can have as a password is not hashed in full and never right."""
    stored = await hash_password("x" * MAX_PASSWORD_LENGTH)
    assert not await PasswordChecker().check(stored, "x" * (MAX_PASSWORD_LENGTH + 1))


def test_nobodys_hash_costs_the_same() -> None:
    """The hash of unknown users has the parameters of real ones, and no shortcut in checking."""
    assert extract_parameters(NOBODYS_HASH) == extract_parameters(HASHER.hash(PASSWORD))
    started = time.perf_counter()
    with pytest.raises(Exception, match="does not match"):
        HASHER.verify(NOBODYS_HASH, PASSWORD)
    unknown = time.perf_counter() - started
    started = time.perf_counter()
    HASHER.hash(PASSWORD)
    assert unknown > (time.perf_counter() - started) / 10


async def test_check_turns_away_a_crowd() -> None:
    """Checks beyond the waiting room fail at once; cancelled ones leave it."""
    checker = PasswordChecker()
    waiting = [asyncio.create_task(checker.check(None, PASSWORD)) for _ in range(WAITING_CHECKS)]
    await asyncio.sleep(0)
    with pytest.raises(LumetryError) as failure:
        await checker.check(None, PASSWORD)
    assert (failure.value.reason, failure.value.metadata) == (Reason.RATE_LIMITED, {"retry_after_seconds": "2"})
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert not await checker.check(None, PASSWORD)
