"""Where the core is."""

from dataclasses import dataclass

HTTP_SCHEMES = ("http", "https")


class AddressError(ValueError):
    """An address that the collector cannot use; its text is for people."""


@dataclass(frozen=True, slots=True)
class Target:
    """A gRPC server: `host:port`, with or without TLS."""

    authority: str
    secure: bool


def parse_target(url: str) -> Target:
    """Reads `grpc://host:port`, `grpcs://host:port` (TLS) or `host:port`. Raises AddressError."""
    scheme, separator, rest = url.strip().partition("://")
    if not separator:
        scheme, rest = "grpc", scheme
    if scheme.lower() in HTTP_SCHEMES:
        raise AddressError(
            f"{url}: collectors do not speak HTTP in this version. Give the core's gRPC address, such as grpc://localhost:50051."
        )
    if scheme.lower() not in ("grpc", "grpcs"):
        raise AddressError(f"{url}: unknown scheme {scheme}; expected grpc://host:port, grpcs://host:port or host:port.")
    host, colon, port = rest.rstrip("/").rpartition(":")
    if not colon or not host or "/" in host or "@" in host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise AddressError(f"{url}: expected a host and a port, as in {scheme}://localhost:50051.")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise AddressError(f"{url}: an IPv6 address stands in brackets, as in {scheme}://[::1]:50051.")
    return Target(f"{host}:{port}", secure=scheme.lower() == "grpcs")
