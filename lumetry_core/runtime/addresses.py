"""Where requests to addresses that users choose may go."""

import socket
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from yarl import URL

METADATA = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd00:ec2::23",
    )
)
"""Where clouds tell machines their credentials. One of them is a global address, so no rule about ranges finds it."""
NEVER = (
    (IPv4Network("0.0.0.0/8"), "it is no address of a host"),
    (IPv4Network("169.254.0.0/16"), "it is a link-local address"),
    (IPv4Network("224.0.0.0/4"), "it is a multicast address"),
    (IPv4Network("240.0.0.0/4"), "it is a reserved address"),
    (IPv6Network("::/128"), "it is no address of a host"),
    (IPv6Network("fe80::/10"), "it is a link-local address"),
    (IPv6Network("fec0::/10"), "it is a site-local address"),
    (IPv6Network("ff00::/8"), "it is a multicast address"),
)
PRIVATE = tuple(IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))
UNIQUE_LOCAL = IPv6Network("fc00::/7")
DOCUMENTATION = IPv6Network("3fff::/20")
"""Younger than the tables of some Python versions."""
TEREDO = IPv6Network("2001::/32")
EMBEDDING = (
    (IPv6Network("::ffff:0:0/96"), 0),
    (IPv6Network("::ffff:0:0:0/96"), 0),
    (IPv6Network("::/96"), 0),
    (IPv6Network("64:ff9b::/96"), 0),
    (IPv6Network("64:ff9b:1::/48"), 0),
    (IPv6Network("2002::/16"), 80),
)
"""Ranges whose addresses stand for IPv4 addresses, and by how many bits to shift to get at them. Teredo's are turned over besides."""
TRANSLATED = tuple(IPv6Network(text) for text in ("::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48"))
"""Ways around a network's border that no public host has: they are never reached, whatever they stand for."""

UNICAST = IPv6Network("2000::/3")
"""Outside it no address of IPv6 is global."""

Address = IPv4Address | IPv6Address


class OwnPorts:
    """Where this process listens for its own callers. Nothing that users choose may lead there; filled once the ports are known."""

    def __init__(self) -> None:
        self._listening: set[tuple[Address | None, int]] = set()

    def add(self, host: str, port: int) -> None:
        """Notes a listener. One on every address, or behind a name, is on each of this host's."""
        address = read_literal(host.strip("[]"))
        self._listening.add((None if address is None or address.is_unspecified else address, port))

    def lead_to(self, address: Address, port: int) -> bool:
        """Whether a connection to there would be one to this process."""
        if (address, port) in self._listening:
            return True
        return (None, port) in self._listening and is_of_this_host(address)


@dataclass(frozen=True, slots=True)
class Policy:
    """Where requests may go. Metadata, link-local and multicast addresses are never reached, nor what is no address of a host."""

    allows_private: bool
    """Private and loopback addresses too."""
    allows_plain: bool
    """http too."""
    own_ports: OwnPorts = field(default_factory=OwnPorts, compare=False)


GLOBAL_ONLY = Policy(allows_private=False, allows_plain=False)
PRIVATE_TOO = Policy(allows_private=True, allows_plain=True)


def find_embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for; None when it stands for none."""
    if isinstance(address, IPv4Address):
        return None
    if address in TEREDO:
        return IPv4Address(~int(address) & 0xFFFF_FFFF)
    for network, shift in EMBEDDING:
        if address in network and int(address) > 1:
            return IPv4Address(int(address) >> shift & 0xFFFF_FFFF)
    return None


def normalize(address: Address) -> Address:
    """An address without its zone; a mapped one as the IPv4 address that connections to it use."""
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or IPv6Address(int(address))
    return address


def find_objection(address: Address, policy: Policy, port: int | None = None) -> str | None:
    """Why an address must not be connected to; None when it may be.

    Args:
        address: The final one of a connection.
        policy: What the operator allows.
        port: Where the connection leads; None: not known yet.
    """
    address = normalize(address)
    embedded = find_embedded(address)
    for each in (address,) if embedded is None else (address, embedded):
        if each in METADATA:
            return "it is a metadata address"
        for network, objection in NEVER:
            if each in network:
                return objection
        if port is not None and policy.own_ports.lead_to(each, port):
            return "it is Lumetry's own"
    if embedded is not None and any(address in network for network in TRANSLATED):
        return "it is a translated address"
    judged = embedded or address
    if is_private(judged):
        if policy.allows_private:
            return None
        return "it is a loopback address" if judged.is_loopback else "it is not a global address"
    return None if is_public(judged) else "it is not a global address"


def is_private(address: Address) -> bool:
    """Whether an address is of this host or of a private network."""
    if isinstance(address, IPv4Address):
        return address.is_loopback or any(address in network for network in PRIVATE)
    return address.is_loopback or address in UNIQUE_LOCAL


def is_public(address: Address) -> bool:
    """Whether an address is globally routable, or stands for one that is."""
    address = normalize(address)
    address = find_embedded(address) or address
    if isinstance(address, IPv6Address) and (address not in UNICAST or address in DOCUMENTATION):
        return False
    return address.is_global


def is_of_this_host(address: Address) -> bool:
    """Whether an address is one of this host, which alone can be bound to."""
    if address.is_loopback:
        return True
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((str(address), 0))
        return True
    return False


def find_url_fault(url: str, policy: Policy) -> str | None:
    """What is wrong with an address that requests are to be sent to; None when nothing is. Names are judged when they are resolved."""
    fault = find_form_fault(url)
    if fault is not None:
        return fault
    parsed = URL(url, encoded=True)
    if parsed.scheme == "http" and not policy.allows_plain:
        return "must be an https URL"
    return find_host_fault(parsed.host or "", parsed.port, policy)


def find_form_fault(url: str) -> str | None:
    """What is wrong with the form of an address, wherever it leads; None when nothing is."""
    if not url.isascii() or not url.isprintable() or any(character in ' <>"\\^`{|}' for character in url):
        return "must hold only characters that an address may have"
    try:
        parsed = URL(url, encoded=True)
        host, _ = parsed.host, parsed.port
    except ValueError:
        return "must be an absolute http or https URL"
    if parsed.scheme not in ("http", "https") or not host:
        return "must be an absolute http or https URL"
    if "@" in parsed.raw_authority:
        return "must not hold a user name or password"
    if parsed.port is None or not 0 < parsed.port < 65536:
        return "must have a port between 1 and 65535"
    return None


def find_host_fault(host: str, port: int | None, policy: Policy) -> str | None:
    """Why a host must not be where requests lead, as far as its text tells; None when it may be."""
    address = read_literal(host)
    if address is None:
        return "must not name this host" if is_this_host(host) and not policy.allows_private else None
    objection = find_objection(address, policy, port)
    return None if objection is None else f"must not lead to {address}: {objection}"


def is_this_host(host: str) -> bool:
    """Whether a name means this host by definition."""
    name = host.rstrip(".").lower()
    return name == "localhost" or name.endswith(".localhost")


def read_literal(host: str) -> Address | None:
    """The address that a host is, in any spelling that the resolver takes for one, such as 127.1 or 2130706433; None: a name."""
    with suppress(ValueError):
        return ip_address(host)
    with suppress(OSError):
        return IPv4Address(socket.inet_aton(host))
    return None
