"""HTTP to what is inside the collector's network. The client is loaded when the first request is sent."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lumetry_core.runtime.addresses import Policy
    from lumetry_core.runtime.outbound import OutboundAnswer, OutboundClient, OutboundRequest


class Reach:
    """Sends requests to any address but those that no request may reach, such as a cloud's metadata. Follows no redirects."""

    def __init__(self) -> None:
        self._client: OutboundClient | None = None

    @property
    def policy(self) -> "Policy":
        """Where connections may lead."""
        from lumetry_core.runtime.addresses import PRIVATE_TOO  # noqa: PLC0415 -- see the docstring of the module

        return PRIVATE_TOO

    async def send(self, request: "OutboundRequest") -> "OutboundAnswer":
        """Raises OutboundError when there is no answer."""
        if self._client is None:
            from lumetry_core.collectors.agent.polling.fetching import make_client  # noqa: PLC0415

            self._client = make_client(self.policy)
        return await self._client.send(request)

    async def close(self) -> None:
        """Ends connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None
