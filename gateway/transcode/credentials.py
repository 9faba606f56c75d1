"""What of a request travels on as gRPC metadata: the credential, the request id and where the client is. The core judges them."""

import re
import uuid
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from multidict import MultiMapping

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
PRINTABLE = re.compile(r"[\x20-\x7e]*")
UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
MAX_CREDENTIAL_LENGTH = 4096
MAX_AGENT_LENGTH = 256
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
RELAY_HEADER = "X-Lumetry-Relay"
"""Names the collector that relays a host agent's request (contract lumetry 16.3)."""

Metadata = tuple[tuple[str, str], ...]
Network = IPv4Network | IPv6Network


def adopt_request_id(given: str | None) -> str:
    """The client's own request id when it is usable, else a new one."""
    if given is not None and REQUEST_ID.fullmatch(given):
        return given
    return uuid.uuid4().hex


def read_credential(headers: Mapping[str, str]) -> str:
    """The Authorization header; empty when absent or not transportable, which the core answers like a missing one."""
    value = headers.get("Authorization", "").strip()
    return value if len(value) <= MAX_CREDENTIAL_LENGTH and PRINTABLE.fullmatch(value) else ""


def find_address(peer: str | None, headers: MultiMapping[str], trusted: Sequence[Network]) -> str | None:
    """The client's address: the peer's or, behind trusted proxies, the right-most forwarded one that is none of them.

    Proxies append to a line or add a line of their own, so all lines count, in order. What is no address ends the search.
    """
    address = peer
    forwarded = [part.strip() for line in headers.getall("X-Forwarded-For", []) for part in line.split(",")]
    while is_trusted(address, trusted) and forwarded:
        claimed = parse_address(forwarded.pop())
        if claimed is None:
            break
        address = str(claimed)
    return address


def is_trusted(address: str | None, trusted: Sequence[Network]) -> bool:
    """Whether the address is a proxy whose word counts."""
    parsed = parse_address(address) if trusted else None
    return parsed is not None and any(parsed.version == network.version and parsed in network for network in trusted)


def parse_address(text: str | None) -> IPv4Address | IPv6Address | None:
    """The address of a text, without a zone; None when it is none. An IPv4 address in IPv6 clothes is an IPv4 address."""
    try:
        address = ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def build_metadata(headers: Mapping[str, str], request_id: str, address: str | None, family: str, credential: str) -> Metadata:
    """The metadata of every call made for one request.

    Args:
        family: The name of the contract family that answers.
        credential: What `Family.read_credential` found.
    """
    entries = [("x-request-id", request_id), ("x-lumetry-family", family)]
    if credential:
        entries.append(("authorization", credential))
    if address:
        entries.append(("x-client-address", address))
    agent = UNPRINTABLE.sub("", headers.get("User-Agent", "")).strip()[:MAX_AGENT_LENGTH]
    if agent:
        entries.append(("x-client-agent", agent))
    relay = headers.get(RELAY_HEADER, "")
    if UUID.fullmatch(relay):
        entries.append(("x-lumetry-relay", relay.lower()))
    return tuple(entries)
