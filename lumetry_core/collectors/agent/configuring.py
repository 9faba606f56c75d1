"""Follows the desired configuration: fetches what is new, applies it whole or not at all, and knows what to report of it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn, Protocol

import msgspec
import structlog

from lumetry.collectors.v1 import collector_service_pb2 as collectors_pb
from lumetry.collectors.v1 import config_pb2
from lumetry_core.collectors.agent.failures import CallError
from lumetry_core.collectors.agent.state import AppliedConfig
from lumetry_core.collectors.agent.wanted import ConfigError, Relay, Wanted, read_config

log = structlog.get_logger(__name__)

APPLIED = "applied"
REJECTED = "rejected"
MAX_ERROR = 1_000

Apply = Callable[[Wanted], Awaitable[None]]
"""Changes what the process does. Raises ConfigError; then nothing has changed."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What a heartbeat says of the configuration. Revision 0: there was none yet."""

    revision: int = 0
    status: str = ""
    error: str = ""


class FetchesConfig(Protocol):
    """The part of a link that is needed here."""

    async def fetch_config(self, known_revision: int) -> collectors_pb.FetchCollectorConfigResponse:
        """FetchCollectorConfig. Raises CallError."""


class Configurer:
    """The configuration of a running collector."""

    def __init__(self, apply: Apply, save: Callable[[AppliedConfig], None], on_outcome: Callable[[], None]) -> None:
        """Prepares.

        Args:
            apply: Does what the configuration wants.
            save: Keeps an applied one for the next start. Raises OSError.
            on_outcome: Told when there is something to acknowledge.
        """
        self._apply = apply
        self._save = save
        self._on_outcome = on_outcome
        self.acknowledgement = Acknowledgement()
        """What to report; its revision is the one that need not come again."""
        self._desired = 0
        """Revision that the server named last."""
        self._refused: AppliedConfig | None = None
        """What could be read and not be done, for another attempt."""
        self._news = asyncio.Event()
        self._pushed: collectors_pb.ConfigDirective | None = None

    async def start(self, kept: AppliedConfig) -> None:
        """Applies what was applied in the run before, or defaults with revision 0. A relay that cannot start is left out and reported."""
        try:
            await self._apply(kept.wanted)
        except ConfigError as error:
            await self._apply(msgspec.structs.replace(kept.wanted, relay=Relay(enabled=False)))
            self._refused = kept
            self._reject(kept.revision, error)
        else:
            self.acknowledgement = Acknowledgement(kept.revision, APPLIED if kept.revision else "")

    def hear(self, revision: int) -> None:
        """Takes note of the desired revision. Reminds of what could not be done, too: the port that was taken may be free by now."""
        self._desired = revision
        if self._is_behind() or self._refused is not None:
            self._news.set()

    def take(self, directive: collectors_pb.ConfigDirective) -> None:
        """Takes a configuration that was pushed."""
        self._pushed = directive
        self._news.set()

    async def run(self, link: FetchesConfig) -> NoReturn:
        """Follows the desired configuration until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            pushed, self._pushed = self._pushed, None
            try:
                await self._follow(link, pushed)
            except CallError as error:
                log.warning("the configuration could not be fetched", error=str(error))  # the next heartbeat reminds of it

    async def _follow(self, link: FetchesConfig, pushed: collectors_pb.ConfigDirective | None) -> None:
        if pushed is not None and pushed.revision != self.acknowledgement.revision:
            await self._read(pushed.revision, pushed.config)
        elif self._is_behind():
            answer = await link.fetch_config(self.acknowledgement.revision)
            if answer.HasField("config"):
                await self._read(answer.revision, answer.config)
        elif self._refused is not None:
            await self._change(self._refused)

    def _is_behind(self) -> bool:
        return self._desired > 0 and self._desired != self.acknowledgement.revision

    async def _read(self, revision: int, config: config_pb2.CollectorConfig) -> None:
        self._refused = None
        try:
            wanted = read_config(config)
        except ConfigError as error:
            self._reject(revision, error)
        else:
            await self._change(AppliedConfig(revision, wanted))

    async def _change(self, config: AppliedConfig) -> None:
        try:
            await self._apply(config.wanted)
        except ConfigError as error:
            self._refused = config
            self._reject(config.revision, error)
            return
        self._refused = None
        try:
            self._save(config)
        except OSError as error:
            log.warning("the configuration could not be saved, a restart without server uses the one before", error=str(error))
        log.info("configuration applied", revision=config.revision)
        self.acknowledgement = Acknowledgement(config.revision, APPLIED)
        self._on_outcome()

    def _reject(self, revision: int, error: ConfigError) -> None:
        text = str(error)[:MAX_ERROR]
        is_new = (self.acknowledgement.revision, self.acknowledgement.error) != (revision, text)
        self.acknowledgement = Acknowledgement(revision, REJECTED, text)
        if is_new:
            log.error("the configuration cannot be applied, the one before stays", revision=revision, error=text)
            self._on_outcome()
