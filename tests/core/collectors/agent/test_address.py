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
        ("http://core:8080/", Target("core:8080", secure=False, is_http=True)),
        ("HTTPS://core.example", Target("core.example:443", secure=True, is_http=True)),
        ("http://[::1]", Target("[::1]:80", secure=False, is_http=True)),
    ],
)
def test_parse_target_reads_addresses(url: str, target: Target) -> None:
    """A scheme is optional, brackets hold IPv6 addresses, grpcs and https mean TLS, and of http the port may be absent."""
    assert parse_target(url) == target


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("http://core:8080/path", "host and a port, as in http://localhost:8080"),
        ("https://", "host and a port"),
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


@pytest.mark.parametrize("url", ["grpc://core:50051", "grpcs://core:443", "http://[::1]:8080", "https://core:443"])
def test_url_is_what_was_read(url: str) -> None:
    """An address can be told to people and to libraries."""
    assert parse_target(url).url == url
