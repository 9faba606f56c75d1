"""Where the product is."""

from dataclasses import dataclass

HTTP_SCHEMES = ("http", "https")
DEFAULT_PORTS = {"http": 80, "https": 443}
"""A gRPC address always names its port."""
SECURE_SCHEMES = ("grpcs", "https")


class AddressError(ValueError):
    """An address that the collector cannot use; its text is for people."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server at `host:port`, with or without TLS."""

    authority: str
    secure: bool
    is_http: bool = False
    """Whether the documented routes are called over HTTP/1.1, else the services over gRPC."""

    @property
    def url(self) -> str:
        """With its scheme, without a slash at the end."""
        return f"{'http' if self.is_http else 'grpc'}{'s' if self.secure else ''}://{self.authority}"


def parse_target(url: str) -> Target:
    """Reads `grpc://host:port`, `grpcs://host:port` (TLS), `host:port`, or `http(s)://host[:port]`. Raises AddressError."""
    scheme, separator, rest = url.strip().partition("://")
    if not separator:
        scheme, rest = "grpc", scheme
    scheme = scheme.lower()
    is_http = scheme in HTTP_SCHEMES
    if not is_http and scheme not in ("grpc", "grpcs"):
        raise AddressError(
            f"{url}: unknown scheme {scheme}; expected grpc://host:port, grpcs://host:port, host:port or http(s)://host:port."
        )
    rest = rest.rstrip("/")
    if is_http and (rest.endswith("]") or ":" not in rest):
        rest = f"{rest}:{DEFAULT_PORTS[scheme]}"
    host, colon, port = rest.rpartition(":")
    if not colon or not host or "/" in host or "@" in host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise AddressError(f"{url}: expected a host and a port, as in {scheme}://localhost:{8080 if is_http else 50051}.")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise AddressError(f"{url}: an IPv6 address stands in brackets, as in {scheme}://[::1]:{8080 if is_http else 50051}.")
    return Target(f"{host}:{port}", secure=scheme in SECURE_SCHEMES, is_http=is_http)
