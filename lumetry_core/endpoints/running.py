"""Makes claimed checks at their time, as many at once as is good for this process, and collects what becomes of them."""

import asyncio
import resource
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from lumetry_core.access.vault import Vault, VaultError
from lumetry_core.endpoints.attempt import OursError
from lumetry_core.endpoints.checking import Checker, TlsSight
from lumetry_core.endpoints.model import Claim, Result
from lumetry_core.endpoints.sealing import open_headers
from lumetry_core.runtime.clock import Clock

log = structlog.get_logger(__name__)

CHECKS_AT_ONCE = 500
LEAST_AT_ONCE = 16
CLAIMED_AT_ONCE = 1000
"""Claims that wait for their time or are being worked on."""
QUIET_SECONDS = 60.0
"""A fault of ours is logged at most so often."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a claim; without a result it is given back."""

    claim: Claim
    result: Result | None
    tls: TlsSight | None = None


def count_allowed() -> int:
    """How many checks may run at once: each takes up to two descriptors, and the process needs others."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = CHECKS_AT_ONCE if soft == resource.RLIM_INFINITY else soft // 3
    return max(min(allowed, CHECKS_AT_ONCE), LEAST_AT_ONCE)


class CheckRunner:
    """Runs checks; `on_done` hears of each."""

    def __init__(self, checker: Checker, vault: Vault, clock: Clock, on_done: Callable[[Done], None]) -> None:
        self._checker = checker
        self._vault = vault
        self._clock = clock
        self._on_done = on_done
        self._slots = asyncio.Semaphore(count_allowed())
        self._tasks: set[asyncio.Task[None]] = set()
        self._quiet_until = 0.0

    @property
    def free(self) -> int:
        """How many more claims are welcome."""
        return CLAIMED_AT_ONCE - len(self._tasks)

    def start(self, claim: Claim) -> None:
        """Has a claim worked on."""
        task = asyncio.create_task(self._run(claim))
        self._tasks.add(task)
        task.add_done_callback(self._finish)

    async def stop(self) -> None:
        """Drops what is under way: it has no results."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, claim: Claim) -> None:
        await asyncio.sleep((claim.planned_time - self._clock.now()).total_seconds())
        async with self._slots:
            time = self._clock.now()
            try:
                headers = open_headers(claim.endpoint, self._vault)
                finding = await self._checker.check(claim.endpoint.config, headers)
            except (OursError, VaultError) as error:
                self._warn(claim, str(error))
                self._on_done(Done(claim, None))
                return
        result = Result(finding.is_success, time, finding.response_ms, finding.http_status, finding.error)
        self._on_done(Done(claim, result, finding.tls))

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a check could not be made", exc_info=error)

    def _warn(self, claim: Claim, cause: str) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET_SECONDS
            log.warning("checks have no result for a fault of ours, they are repeated", endpoint_id=claim.endpoint.id, cause=cause)
