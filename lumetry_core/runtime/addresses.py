"""Where requests to addresses that users choose may go."""

import socket
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from yarl import URL

METADATA = frozenset(
    ip_address(text)
    for text in ("169.254.169.254", "169.254.170.2", "169.254.170.23", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254")
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
EMBEDDING = (
    (IPv6Network("::ffff:0:0/96"), 0),
    (IPv6Network("::ffff:0:0:0/96"), 0),
    (IPv6Network("::/96"), 0),
    (IPv6Network("64:ff9b::/96"), 0),
    (IPv6Network("64:ff9b:1::/48"), 0),
    (IPv6Network("2002::/16"), 80),
)
"""Ranges whose addresses stand for IPv4 addresses, and by how many bits to shift to get at them."""
TRANSLATED = tuple(IPv6Network(text) for text in ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/23", "2002::/16"))
"""Ways around a network's border, none of which a public receiver has: they are not global, whatever they stand for."""

UNICAST = IPv6Network("2000::/3")
"""Outside it no address of IPv6 is global."""

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Policy:
    """Where requests may go. Metadata, link-local and multicast addresses are never reached."""

    allows_private: bool
    """Private and loopback addresses too."""
    allows_plain: bool
    """http too."""


GLOBAL_ONLY = Policy(allows_private=False, allows_plain=False)
PRIVATE_TOO = Policy(allows_private=True, allows_plain=True)


def find_embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for; None when it stands for none."""
    if isinstance(address, IPv4Address):
        return None
    for network, shift in EMBEDDING:
        if address in network and int(address) > 1:
            return IPv4Address(int(address) >> shift & 0xFFFF_FFFF)
    return None


def find_objection(address: Address, policy: Policy) -> str | None:
    """Why an address must not be connected to; None when it may be."""
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or IPv6Address(int(address))  # without the zone
    judged = [address] if (embedded := find_embedded(address)) is None else [address, embedded]
    for each in judged:
        if each in METADATA:
            return "it is a metadata address"
        for network, objection in NEVER:
            if each in network:
                return objection
    if policy.allows_private:
        return None
    if any(each.is_loopback for each in judged):
        return "it is a loopback address"
    if any(address in network for network in TRANSLATED):
        return "it is a translated address"
    if any(not each.is_global or (isinstance(each, IPv6Address) and each not in UNICAST) for each in judged):
        return "it is not a global address"
    return None


def find_url_fault(url: str, policy: Policy) -> str | None:
    """What is wrong with an address that requests are to be sent to; None when nothing is. Names are judged when they are resolved."""
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
    if parsed.scheme == "http" and not policy.allows_plain:
        return "must be an https URL"
    address = read_literal(host)
    if address is None:
        return "must not name this host" if is_this_host(host) and not policy.allows_private else None
    objection = find_objection(address, policy)
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
