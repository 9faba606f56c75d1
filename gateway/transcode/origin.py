"""Where the client believes to speak with: the scheme and host of its request, through proxies that are trusted."""

from collections.abc import Sequence

from aiohttp import web

from gateway.transcode.credentials import Network, is_trusted


def came_over_https(http: web.BaseRequest, trusted_proxies: Sequence[Network]) -> bool:
    """Whether the client spoke TLS to this process or, as it says, to a trusted proxy."""
    if http.secure:
        return True
    if not is_trusted(http.remote, trusted_proxies):
        return False
    claimed = http.headers.getall("X-Forwarded-Proto", [""])[-1]
    return claimed.rpartition(",")[2].strip().lower() == "https"


def find_origin(http: web.BaseRequest, trusted_proxies: Sequence[Network]) -> str:
    """The origin of the request, as in `https://lumetry.example.org`."""
    return f"{'https' if came_over_https(http, trusted_proxies) else 'http'}://{http.host}"
