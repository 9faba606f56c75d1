"""Passwords as Argon2id hashes. Hashing takes tens of milliseconds on purpose, so it happens in threads of its own, few at a time."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from lumetry_core.access.model import MAX_PASSWORD_LENGTH
from lumetry_core.runtime.errors import LumetryError, Reason

MEMORY_KIB = 47_104
PASSES = 2
HASHER = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=1)

NOBODYS_HASH = f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1${'A' * 22}${'A' * 43}"
"""A well-formed hash that no password has: checking against it costs what checking a real one costs."""

CONCURRENT_CHECKS = 2
WAITING_CHECKS = 64
"""Beyond these, attempts are turned away rather than queued past every client's patience."""


async def hash_password(password: str) -> str:
    """Hashes a new password with a fresh salt."""
    return await asyncio.to_thread(HASHER.hash, password)


def matches(password_hash: str, password: str) -> bool:
    """Whether the password has this hash. Slow."""
    try:
        return HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


class PasswordChecker:
    """Checks passwords, two at a time."""

    def __init__(self) -> None:
        # Its own threads: checks that clients have given up must not take those of other work.
        self._threads = ThreadPoolExecutor(CONCURRENT_CHECKS, thread_name_prefix="password")
        self._waiting = 0

    async def check(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is right. Without a hash it is wrong, after the same time.

        Fails with RATE_LIMITED when too many checks wait.
        """
        if self._waiting >= WAITING_CHECKS:
            raise LumetryError(Reason.RATE_LIMITED, "Too many logins are being checked.", retry_after_seconds="2")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            right = await loop.run_in_executor(self._threads, matches, password_hash or NOBODYS_HASH, password[:MAX_PASSWORD_LENGTH])
        finally:
            self._waiting -= 1
        return right and password_hash is not None and len(password) <= MAX_PASSWORD_LENGTH
