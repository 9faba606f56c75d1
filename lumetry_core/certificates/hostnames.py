"""Hosts as people and labels write them (contract monitoring 7.2)."""

import re
from ipaddress import IPv6Address, ip_address

from yarl import URL

from lumetry_core.runtime.addresses import read_literal

MAX_HOSTNAME = 253
LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://", re.ASCII)


class HostError(ValueError):
    """A text names no host. The message completes a sentence that begins with the name of the field."""


def read_target(text: str) -> tuple[str, int | None]:
    """The host, in lower case and in ASCII, and the port of a text such as `https://Example.org:8443/path`.

    Raises:
        HostError: There is none, or it cannot be one.
    """
    rest = SCHEME.sub("", text.strip(), count=1)
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0].strip()
    if "@" in authority:
        raise HostError("must not hold a user name or password")
    if authority.startswith("["):
        host, _, port = authority[1:].partition("]")
        if port and not port.startswith(":"):
            raise HostError("must be a host name or an address")
        return read_address(host), read_port(port[1:]) if port else None
    if authority.count(":") > 1:
        return read_address(authority), None
    host, colon, port = authority.partition(":")
    return read_host(host), read_port(port) if colon else None


def read_port(text: str) -> int:
    """A port.

    Raises:
        HostError: It is none.
    """
    if not PORT.fullmatch(text) or not 1 <= int(text) <= 65_535:
        raise HostError("must have a port between 1 and 65535")
    return int(text)


def read_address(text: str) -> str:
    """An address in its one spelling.

    Raises:
        HostError: It is none.
    """
    try:
        address = ip_address(text)
    except ValueError as error:
        raise HostError("must be a host name or an address") from error
    if isinstance(address, IPv6Address) and address.scope_id:
        raise HostError("must be a host name or an address")
    return str(address)


def read_host(text: str) -> str:
    """A name or an address of version 4.

    Raises:
        HostError: It is neither.
    """
    text = text.strip()
    if not text:
        raise HostError("is required")
    try:
        host = URL.build(scheme="https", host=text.rstrip(".")).raw_host or ""
    except (ValueError, UnicodeError) as error:
        raise HostError("must be a host name or an address") from error
    host = host.lower()
    literal = read_literal(host)
    if literal is not None:
        return str(literal)
    if len(host) > MAX_HOSTNAME or not all(LABEL.fullmatch(label) for label in host.split(".")):
        raise HostError("must be a host name or an address")
    return host


def spell_url(hostname: str, port: int) -> str:
    """Where a certificate is fetched, as an address that policies judge."""
    return f"https://{f'[{hostname}]' if ':' in hostname else hostname}:{port}/"
