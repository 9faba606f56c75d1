"""Look-ups of names for checks, and whose fault it is when one fails.

A resolver that says that a name does not exist has answered: then the endpoint is at fault. One that gives no answer may be broken for
every name. So a name without an answer is its endpoint's fault only while another name is answered, if need be when asked again.
"""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from aiohttp.abc import AbstractResolver, ResolveResult

from lumetry_core.runtime import outbound

LOOKUPS_AT_ONCE = 64
ANSWERED_LATELY_SECONDS = 60.0
PROBE_SECONDS = 3.0
KNOWN_NAMES = 16
NO_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
"""The resolver's answer that there is no such name, or that it has no address."""


class UnknownNameError(OSError):
    """There is no such name."""


class NoAnswerError(OSError):
    """The resolver gave no answer."""


class Lookups:
    """Looks names up in threads of its own and remembers which were answered."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, "check-lookup")
        self._answered: OrderedDict[str, float] = OrderedDict()
        """When names were answered last, the latest at the end."""

    async def look_up(self, host: str, port: int, family: int, on_begin: Callable[[], None]) -> list[tuple[int, int, str]]:
        """Family, protocol and text of a name's addresses.

        Args:
            host: The name.
            port: Where connections will lead.
            family: 0: any.
            on_begin: Called, in a thread, once the resolver is really asked: before that, the look-up waits for others of ours.

        Raises:
            UnknownNameError: There is no such name.
            NoAnswerError: The resolver gave no answer.
        """
        loop = asyncio.get_running_loop()

        def ask() -> list[tuple[int, int, str]]:
            on_begin()
            return outbound.look_up(host, port, family)

        try:
            found = await loop.run_in_executor(self._threads, ask)
        except socket.gaierror as error:
            if error.errno in NO_NAME:
                self._note(host)
                raise UnknownNameError(error.errno, f"the host {host} does not exist") from error
            raise NoAnswerError(error.errno, f"the host {host} cannot be resolved") from error
        except UnicodeError as error:
            raise UnknownNameError(socket.EAI_NONAME, f"{host} is no name of a host") from error
        self._note(host)
        return found

    async def answers_others(self, host: str) -> bool:
        """Whether the resolver answers for other names than this one: lately, or now."""
        now = asyncio.get_running_loop().time()
        others = [name for name in self._answered if name != host]
        if not others:
            return False
        if now - self._answered[others[-1]] <= ANSWERED_LATELY_SECONDS:
            return True
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self.look_up(others[-1], 0, 0, lambda: None)
        except UnknownNameError:
            return True
        except (NoAnswerError, TimeoutError):
            return False
        return True

    def close(self) -> None:
        """Ends the threads as soon as their look-ups end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _note(self, host: str) -> None:
        self._answered[host] = asyncio.get_running_loop().time()
        self._answered.move_to_end(host)
        while len(self._answered) > KNOWN_NAMES:
            self._answered.popitem(last=False)


class AttemptResolver(AbstractResolver):
    """The look-ups of one check, whose progress it tells."""

    def __init__(self, lookups: Lookups, on_ask: Callable[[str], None], on_begin: Callable[[], None], on_end: Callable[[], None]) -> None:
        self._lookups = lookups
        self._on_ask = on_ask
        self._on_begin = on_begin
        self._on_end = on_end

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        """See `AbstractResolver`."""
        self._on_ask(host)
        found = await self._lookups.look_up(host, port, family, self._on_begin)
        self._on_end()
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=proto, flags=socket.AI_NUMERICHOST)
            for kind, proto, address in found
        ]

    async def close(self) -> None:
        """See `AbstractResolver`; what is shared stays."""
