"""Ways to databases: addresses that the policy allows, and TLS that proves who answers."""

import asyncio
import socket
import ssl
from ipaddress import ip_address
from typing import Any

from lumetry_core.collectors.agent.polling.model import PollError, Target
from lumetry_core.runtime.addresses import Policy, find_objection


async def find_address(target: Target, policy: Policy) -> str:
    """The first address of a database's host that may be connected to. Whoever connects must use it: the name may lead elsewhere next time.

    Raises:
        PollError: There is none.
    """
    if not target.host or "/" in target.host or "\0" in target.host or not 0 < target.port < 65536:
        raise PollError("the host and port are no address of a database")
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise PollError(f"the host {target.host} cannot be resolved") from None
    objection = None
    for *_, where in found:
        objection = find_objection(ip_address(str(where[0]).partition("%")[0]), policy, target.port)
        if objection is None:
            return str(where[0])
    raise PollError(f"the host {target.host} leads to a forbidden address: {objection or 'it has none'}")


class NamedContext(ssl.SSLContext):
    """Demands a certificate for a name, although the connection is made by address."""

    name: str

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:  # noqa: ANN401 -- as the loop calls it
        """See `SSLContext`."""
        return super().wrap_bio(*args, **{**kwargs, "server_hostname": self.name})

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:  # noqa: ANN401 -- as drivers call it
        """See `SSLContext`."""
        return super().wrap_socket(*args, **{**kwargs, "server_hostname": self.name})


def make_context(host: str) -> ssl.SSLContext:
    """TLS with a certificate that the host's trusted authorities vouch for (`SSL_CERT_FILE` names others), issued for the host."""
    context = NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.name = host
    context.load_default_certs()
    return context


def explain_tls(error: ssl.SSLError) -> PollError:
    """Why no secure connection came about."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return PollError(f"the certificate is not trusted: {error.verify_message}")
    return PollError("no secure connection could be agreed on")
