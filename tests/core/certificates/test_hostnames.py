import pytest

from lumetry_core.certificates.hostnames import HostError, read_target, spell_url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.org", ("example.org", None)),
        ("  https://Example.ORG/shop?x=1#y ", ("example.org", None)),
        ("example.org:8443", ("example.org", 8443)),
        ("example.org.", ("example.org", None)),
        ("wss://example.org:1/", ("example.org", 1)),
        ("bücher.example", ("xn--bcher-kva.example", None)),
        ("BÜCHER.example:444", ("xn--bcher-kva.example", 444)),
        ("_service.example", ("_service.example", None)),
        ("localhost", ("localhost", None)),
        ("10.0.0.1:443", ("10.0.0.1", 443)),
        ("2130706433", ("127.0.0.1", None)),
        ("[2001:DB8::1]:8443", ("2001:db8::1", 8443)),
        ("https://[::1]/", ("::1", None)),
        ("::1", ("::1", None)),
    ],
)
def test_read_target(text: str, expected: tuple[str, int | None]) -> None:
    """Scheme, path, space and spelling do not count; a port does."""
    assert read_target(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is required"),
        (" https:///path", "is required"),
        ("user:secret@example.org", "must not hold a user name or password"),
        ("example.org:0", "must have a port between 1 and 65535"),
        ("example.org:65536", "must have a port between 1 and 65535"),
        ("example.org:", "must have a port between 1 and 65535"),
        ("example.org:x", "must have a port between 1 and 65535"),
        ("exa mple.org", "must be a host name or an address"),
        ("-example.org", "must be a host name or an address"),
        ("example..org", "must be a host name or an address"),
        ("a" * 64 + ".org", "must be a host name or an address"),
        (".".join(["abcdefgh"] * 30), "must be a host name or an address"),
        ("*.example.org", "must be a host name or an address"),
        ("[fe80::1%eth0]", "must be a host name or an address"),
        ("[::1]x", "must be a host name or an address"),
        ("example\0.org", "must be a host name or an address"),
        ("\ud800", "must be a host name or an address"),
        ("xn--", "must be a host name or an address"),
    ],
)
def test_refuse_target(text: str, message: str) -> None:
    """What cannot be a host is told."""
    with pytest.raises(HostError, match=f"^{message}$"):
        read_target(text)


def test_spell_url() -> None:
    """An address of version 6 stands in brackets."""
    assert [spell_url("example.org", 443), spell_url("::1", 1)] == ["https://example.org:443/", "https://[::1]:1/"]
