"""One check while it is made: which connections it opens, what keeps it from them, and how long it takes."""

import asyncio
import errno
import socket
import ssl
from ipaddress import ip_address

import aiohttp

from lumetry_core.endpoints.resolving import AttemptResolver, Lookups
from lumetry_core.runtime.addresses import Policy, is_public
from lumetry_core.runtime.outbound import ForbiddenAddressError, open_socket

OURS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}
"""What a socket cannot be opened for that is no fault of where it would lead."""
REDIRECT_REFUSED = "redirect to a private address refused"


class OursError(Exception):
    """A check has no result: the fault is on this side."""


class Attempt:
    """Guards the connections of a check, each by its final address at the moment it is made."""

    def __init__(self, policy: Policy, lookups: Lookups, deadline: float) -> None:
        self.deadline = deadline
        """When the check must be over, by the loop's clock."""
        self._policy = policy
        self._began: float | None = None
        self._started_public = False
        self.hop = 0
        """How many redirects were followed."""
        self.objection: str | None = None
        """Why a connection was refused that was to be made last."""
        self.own_fault: OSError | None = None
        """Why no socket could be opened."""
        self.asked_host = ""
        """The name that is being looked up."""
        self.waits_for_lookup = False
        """The look-up did not begin: other look-ups of ours are in its way."""
        self.resolver = AttemptResolver(lookups, self._on_ask, self._on_begin, self._on_end)

    def make_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        """A socket for a connection, if it may be made. Raises ForbiddenAddressError, or OSError when none can be opened."""
        if self._began is None:
            self._began = asyncio.get_running_loop().time()
        try:
            made = open_socket(info, self._policy)
        except ForbiddenAddressError as error:
            self.objection = str(error)
            raise
        except OSError as error:
            if error.errno in OURS:
                self.own_fault = error
            raise
        public = is_public(ip_address(str(info[4][0])))
        if self.hop == 0:
            self._started_public |= public
        elif self._started_public and not public:
            made.close()
            self.objection = REDIRECT_REFUSED
            raise ForbiddenAddressError(REDIRECT_REFUSED)
        return made

    def follow(self) -> None:
        """The next connection is that of a redirect."""
        self.hop += 1
        self.objection = None

    def elapsed_ms(self, until: float) -> int:
        """Whole milliseconds from the start of the first connection; 0 when there was none."""
        return 0 if self._began is None else max(int((until - self._began) * 1000), 0)

    def _on_ask(self, host: str) -> None:
        self.asked_host = host
        self.waits_for_lookup = True

    def _on_begin(self) -> None:
        self.waits_for_lookup = False

    def _on_end(self) -> None:
        self.asked_host = ""


class NotingResponse(aiohttp.ClientResponse):
    """An answer that remembers whose certificate came with its connection, which may be gone when the answer is there."""

    leaf: bytes | None = None
    """The certificate in DER; None without TLS."""

    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        """See `ClientResponse.start`."""
        transport = connection.transport
        secured = None if transport is None else transport.get_extra_info("ssl_object")
        if isinstance(secured, ssl.SSLObject):
            self.leaf = secured.getpeercert(binary_form=True)
        return await super().start(connection)


def has_descriptors() -> bool:
    """Whether a socket can be opened at all."""
    try:
        socket.socket().close()
    except OSError:
        return False
    return True
