import pytest

from lumetry_core.collectors.agent.address import AddressError, Target, parse_target


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("grpc://core:50051", Target("core:50051", secure=False)),
        (" grpc://core:50051/ ", Target("core:50051", secure=False)),
        ("127.0.0.1:50051", Target("127.0.0.1:50051", secure=False)),
        ("grpc://[::1]:50051", Target("[::1]:50051", secure=False)),
        ("grpcs://core.example:443", Target("core.example:443", secure=True)),
    ],
)
def test_parse_target_reads_addresses(url: str, target: Target) -> None:
    """A scheme is optional, brackets hold IPv6 addresses, and grpcs means TLS."""
    assert parse_target(url) == target


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("http://core:8080", "do not speak HTTP"),
        ("HTTPS://core", "do not speak HTTP"),
        ("ftp://core:1", "unknown scheme"),
        ("core", "host and a port"),
        ("grpc://core", "host and a port"),
        ("grpc://:50051", "host and a port"),
        ("grpc://core:0", "host and a port"),
        ("grpc://core:65536", "host and a port"),
        ("grpc://core:x", "host and a port"),
        ("grpc://me@core:1", "host and a port"),
        ("grpc://core/path:1", "host and a port"),
        ("::1:50051", "in brackets"),
        ("", "host and a port"),
    ],
)
def test_parse_target_says_what_is_wrong(url: str, part: str) -> None:
    """The error tells people what to write instead."""
    with pytest.raises(AddressError, match=part):
        parse_target(url)
