import re
from ipaddress import ip_network

import pytest
from multidict import CIMultiDict

from gateway.transcode.credentials import adopt_request_id, build_metadata, find_address, is_trusted, read_credential

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
NEW_ID = re.compile(r"[0-9a-f]{32}")


@pytest.mark.parametrize("given", ["a", "r-1", "A.b_C-9", "x" * 128])
def test_adopt_usable_request_id(given: str) -> None:
    """Letters, digits, dot, underscore and hyphen make a request id."""
    assert adopt_request_id(given) == given


@pytest.mark.parametrize(
    "given",
    [None, "", " ", "a b", "x" * 129, "a\n", "a\r\nSet-Cookie: b", "a\x00", "é", "１２３", "<script>", "a,b", "../a", '"'],
    ids=ascii,
)
def test_replace_request_id(given: str | None) -> None:
    """Whatever could break out of a header, a log line or a page is replaced, not repaired."""
    adopted = adopt_request_id(given)
    assert NEW_ID.fullmatch(adopted)
    assert adopt_request_id(given) != adopted


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("Bearer lmt_1", "Bearer lmt_1"),
        ("  Bearer lmt_1  ", "Bearer lmt_1"),
        ("", ""),
        ("Bearer é", ""),
        ("Bearer a\x00b", ""),
        ("Bearer a\r\nx-client-address: 1.2.3.4", ""),
        ("x" * 4096, "x" * 4096),
        ("x" * 4097, ""),
    ],
    ids=["token", "spaces", "empty", "not-ascii", "nul", "two-lines", "long", "too-long"],
)
def test_read_credential(sent: str, read: str) -> None:
    """What metadata cannot carry counts as no credential, which the core answers with 401."""
    assert read_credential({"Authorization": sent}) == read


@pytest.mark.parametrize(
    ("peer", "lines", "found"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.1.1.1", [], "10.1.1.1"),
        ("10.1.1.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.1.1.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.1.1.1", ["1.1.1.1, 198.51.100.1, 10.2.2.2"], "198.51.100.1"),
        ("10.1.1.1", ["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
        ("10.1.1.1", ["1.1.1.1", "198.51.100.1", "10.2.2.2, 10.3.3.3"], "198.51.100.1"),
        ("10.1.1.1", ["10.2.2.2"], "10.2.2.2"),
        ("10.1.1.1", ["1.1.1.1, unknown"], "10.1.1.1"),
        ("10.1.1.1", ["1.1.1.1, unknown, 10.2.2.2"], "10.2.2.2"),
        ("10.1.1.1", ["1.1.1.1, 198.51.100.1:4711"], "10.1.1.1"),
        ("10.1.1.1", ["1.1.1.1,"], "10.1.1.1"),
        ("10.1.1.1", [" ,, "], "10.1.1.1"),
        ("10.1.1.1", ["198.51.100.01"], "10.1.1.1"),
        ("::ffff:10.1.1.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("fd00::1", ["2001:DB8:0::1"], "2001:db8::1"),
        ("fd00::1", ["2001:db8::1%\x1b[31mé"], "2001:db8::1"),
        ("fd00::1%eth0", ["198.51.100.1"], "198.51.100.1"),
        (None, ["198.51.100.1"], None),
    ],
)
def test_find_address_behind_proxies(peer: str | None, lines: list[str], found: str | None) -> None:
    """Only what trusted proxies appended counts; what a client wrote to the left of it is never reached."""
    assert find_address(peer, CIMultiDict(("x-forwarded-for", line) for line in lines), PROXIES) == found


def test_find_address_without_proxies() -> None:
    """Where no proxy is trusted nobody speaks for others, not even this host."""
    assert find_address("127.0.0.1", CIMultiDict({"X-Forwarded-For": "198.51.100.1", "Forwarded": "for=198.51.100.1"}), ()) == "127.0.0.1"


def test_find_address_in_long_list() -> None:
    """A client cannot buy time with a long list: reading ends at the first address that is no proxy."""
    headers = CIMultiDict({"X-Forwarded-For": "1.1.1.1, " * 500 + "198.51.100.1, 10.9.9.9"})
    assert find_address("10.1.1.1", headers, PROXIES) == "198.51.100.1"


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("10.255.255.255", True),
        ("11.0.0.0", False),
        ("fd12::1", True),
        ("fe00::1", False),
        ("", False),
        (None, False),
        ("localhost", False),
    ],
)
def test_trust_networks_only(address: str | None, trusted: bool) -> None:
    """A name is never trusted, and versions are not mixed."""
    assert is_trusted(address, PROXIES) is trusted


def test_build_metadata_of_request() -> None:
    """Credential, request id, family, address and a cleaned agent travel on, and nothing else that a client sent."""
    headers = {
        "User-Agent": "probe/1\x07 \u00e9" + "x" * 300,
        "X-Client-Address": "6.6.6.6",
        "X-Lumetry-Family": "logs",
        "X-Lumetry-Charge": "0",
        "Authorization": "Bearer other",
    }
    assert build_metadata(headers, "r-1", "198.51.100.1", "monitoring", "Bearer lmt_1") == (
        ("x-request-id", "r-1"),
        ("x-lumetry-family", "monitoring"),
        ("authorization", "Bearer lmt_1"),
        ("x-client-address", "198.51.100.1"),
        ("x-client-agent", "probe/1 " + "x" * 248),
    )


def test_build_metadata_names_relay() -> None:
    """The collector that relays a request is named; what is no UUID is left out."""
    relay = "D97E2B99-81bd-43aa-823d-dc5f78cd5429"
    assert build_metadata({"X-Lumetry-Relay": relay}, "r-1", None, "lumetry", "")[-1] == ("x-lumetry-relay", relay.lower())
    assert build_metadata({"X-Lumetry-Relay": f"{relay} "}, "r-1", None, "lumetry", "") == build_metadata({}, "r-1", None, "lumetry", "")


def test_build_metadata_of_bare_request() -> None:
    """What is absent stays absent."""
    assert build_metadata({}, "r-1", None, "lumetry", "") == (("x-request-id", "r-1"), ("x-lumetry-family", "lumetry"))
