"""The relay for agents that cannot reach the product themselves, of whichever kind the collector's own connection is.

It passes the calls of agents on as they are and says who passed them on; it keeps nothing and reads nothing but what kind of credential a
call carries (`passing`). What agents may do is the product's to judge by the agent's own credential.
"""

from typing import Protocol

import structlog

from lumetry_core.collectors.agent.link import Link

log = structlog.get_logger(__name__)


class Serves(Protocol):
    """A relay of either kind."""

    async def start(self, port: int) -> int:
        """Listens on the port, or a free one instead of 0, and answers it. Raises ConfigError."""

    async def close(self) -> None:
        """Stops listening."""


class Relay:
    """The relay of one collector on one port."""

    def __init__(self, link: Link, port: int) -> None:
        self._target = link.target
        self._collector_id = link.identity
        self.port = port
        """Where it listens; 0 until it is started with a free one."""
        self._server: Serves | None = None

    async def start(self) -> None:
        """Listens on the port, on all addresses.

        Raises:
            ConfigError: It cannot.
        """
        server = self._build()
        try:
            self.port = await server.start(self.port)
        except BaseException:
            await server.close()
            raise
        self._server = server
        log.info("relaying for agents", port=self.port, to=self._target.url)

    async def close(self) -> None:
        """Stops listening; calls under way end."""
        if self._server is not None:
            await self._server.close()
            self._server = None

    def _build(self) -> Serves:
        if self._target.is_http:
            from lumetry_core.collectors.agent.relay_http import HttpRelay  # noqa: PLC0415 -- its library costs memory

            return HttpRelay(self._target.url, self._collector_id)
        from lumetry_core.collectors.agent.grpc_transport import open_channel  # noqa: PLC0415 -- same
        from lumetry_core.collectors.agent.relay_grpc import GrpcRelay  # noqa: PLC0415

        return GrpcRelay(open_channel(self._target), self._collector_id)
