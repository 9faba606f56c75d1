from ipaddress import ip_address

import pytest

from lumetry_core.runtime.addresses import GLOBAL_ONLY, PRIVATE_TOO, OwnPorts, Policy, find_objection, find_url_fault, is_public

METADATA = "it is a metadata address"
LINK_LOCAL = "it is a link-local address"
MULTICAST = "it is a multicast address"
LOOPBACK = "it is a loopback address"
PRIVATE = "it is not a global address"
TRANSLATED = "it is a translated address"
NO_HOST = "it is no address of a host"
RESERVED = "it is a reserved address"

CLASSES = [
    # address, objection when only global addresses are reached, objection when private ones are too
    ("8.8.8.8", None, None),
    ("2606:4700::1111", None, None),
    ("::ffff:8.8.8.8", None, None),
    ("127.0.0.1", LOOPBACK, None),
    ("127.255.255.254", LOOPBACK, None),
    ("::1", LOOPBACK, None),
    ("::ffff:127.0.0.1", LOOPBACK, None),
    ("10.0.0.1", PRIVATE, None),
    ("172.16.0.1", PRIVATE, None),
    ("192.168.1.1", PRIVATE, None),
    ("100.64.0.1", PRIVATE, None),
    ("192.0.2.1", PRIVATE, PRIVATE),
    ("198.18.0.1", PRIVATE, PRIVATE),
    ("203.0.113.1", PRIVATE, PRIVATE),
    ("::ffff:192.168.1.1", PRIVATE, None),
    ("fc00::1", PRIVATE, None),
    ("fd12:3456::1", PRIVATE, None),
    ("2001:db8::1", PRIVATE, PRIVATE),
    ("3fff::1", PRIVATE, PRIVATE),
    ("2001:20::1", PRIVATE, PRIVATE),
    ("4000::1", PRIVATE, PRIVATE),
    ("192.0.0.1", PRIVATE, PRIVATE),
    ("198.51.100.7", PRIVATE, PRIVATE),
    ("172.32.0.1", None, None),
    ("0.0.0.0", NO_HOST, NO_HOST),
    ("0.1.2.3", NO_HOST, NO_HOST),
    ("::", NO_HOST, NO_HOST),
    ("::ffff:0.0.0.0", NO_HOST, NO_HOST),
    ("169.254.1.1", LINK_LOCAL, LINK_LOCAL),
    ("fe80::1", LINK_LOCAL, LINK_LOCAL),
    ("fe80::1%eth0", LINK_LOCAL, LINK_LOCAL),
    ("fec0::1", "it is a site-local address", "it is a site-local address"),
    ("224.0.0.1", MULTICAST, MULTICAST),
    ("239.255.255.250", MULTICAST, MULTICAST),
    ("ff02::1", MULTICAST, MULTICAST),
    ("240.0.0.1", RESERVED, RESERVED),
    ("255.255.255.255", RESERVED, RESERVED),
    ("169.254.169.254", METADATA, METADATA),
    ("169.254.170.2", METADATA, METADATA),
    ("169.254.170.23", METADATA, METADATA),
    ("192.0.0.192", METADATA, METADATA),
    ("100.100.100.200", METADATA, METADATA),
    ("168.63.129.16", METADATA, METADATA),
    ("fd00:ec2::254", METADATA, METADATA),
    ("fd00:ec2::254%1", METADATA, METADATA),
    ("fd00:ec2::23", METADATA, METADATA),
    ("::ffff:169.254.169.254", METADATA, METADATA),
    ("::169.254.169.254", METADATA, METADATA),
    ("::ffff:0:169.254.169.254", METADATA, METADATA),
    ("64:ff9b::169.254.169.254", METADATA, METADATA),
    ("2002:a9fe:a9fe::1", METADATA, METADATA),
    ("64:ff9b::8.8.8.8", None, None),
    ("64:ff9b::10.0.0.1", PRIVATE, None),
    ("64:ff9b:1::8.8.8.8", TRANSLATED, TRANSLATED),
    ("2002:808:808::1", None, None),
    ("2002:a00:1::1", PRIVATE, None),
    ("2001::4136:e378:8000:63bf:3fff:fdd2", PRIVATE, PRIVATE),
    ("2001::4136:e378:8000:63bf:f7f7:f7f7", None, None),
    ("2001::4136:e378:8000:63bf:f5ff:fffe", PRIVATE, None),
    ("2001::4136:e378:8000:63bf:5601:5601", METADATA, METADATA),
    ("::8.8.8.8", TRANSLATED, TRANSLATED),
    ("64:ff9b::127.0.0.1", LOOPBACK, None),
    ("2002:7f00:1::1", LOOPBACK, None),
]


@pytest.mark.parametrize(("address", "strictly", "privately"), CLASSES)
def test_find_objection_knows_every_class_of_addresses(address: str, strictly: str | None, privately: str | None) -> None:
    """Also what an address stands for counts, and neither mapping nor translation leads around a policy."""
    found = ip_address(address)
    assert (find_objection(found, GLOBAL_ONLY), find_objection(found, PRIVATE_TOO)) == (strictly, privately)


NOT_ABSOLUTE = "must be an absolute http or https URL"
NAMELESS = "must not hold a user name or password"
CHARACTERS = "must hold only characters that an address may have"
TO_LOOPBACK = f"must not lead to 127.0.0.1: {LOOPBACK}"


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("https://hooks.example.com/a?b=c", None),
        ("HTTPS://8.8.8.8:8443/", None),
        ("https://[2606:4700::1111]/", None),
        ("http://hooks.example.com/", "must be an https URL"),
        ("", NOT_ABSOLUTE),
        ("hooks.example.com", NOT_ABSOLUTE),
        ("//hooks.example.com/", NOT_ABSOLUTE),
        ("/path", NOT_ABSOLUTE),
        ("ftp://example.com/", NOT_ABSOLUTE),
        ("file:///etc/passwd", NOT_ABSOLUTE),
        ("https:///path", NOT_ABSOLUTE),
        ("https://", NOT_ABSOLUTE),
        ("https://example.com:port/", NOT_ABSOLUTE),
        ("https://example.com:99999/", NOT_ABSOLUTE),
        ("https://[::1/", NOT_ABSOLUTE),
        ("https://example.com:0/", "must have a port between 1 and 65535"),
        ("https://user@example.com/", NAMELESS),
        ("https://user:word@example.com/", NAMELESS),
        ("https://example.com@127.0.0.1/", NAMELESS),
        ("https://@127.0.0.1/", NAMELESS),
        ("https://127.0.0.1\\@example.com/", CHARACTERS),
        ("https://exa mple.com/", CHARACTERS),
        ("https://example.com/\r\nX: y", CHARACTERS),
        ("https://example.com/\0", CHARACTERS),
        ("https://ex\u00e4mple.com/", CHARACTERS),
        ("https://\uff11\uff12\uff17.0.0.1/", CHARACTERS),
        ("https://127.0.0.1/", TO_LOOPBACK),
        ("https://2130706433/", TO_LOOPBACK),
        ("https://0x7f000001/", TO_LOOPBACK),
        ("https://0x7f.1/", TO_LOOPBACK),
        ("https://017700000001/", TO_LOOPBACK),
        ("https://0177.0.0.1/", TO_LOOPBACK),
        ("https://127.1/", TO_LOOPBACK),
        ("https://[::1]/", f"must not lead to ::1: {LOOPBACK}"),
        ("https://[::ffff:127.0.0.1]/", f"must not lead to ::ffff:7f00:1: {LOOPBACK}"),
        ("https://[fe80::1%25eth0]/", f"must not lead to fe80::1%eth0: {LINK_LOCAL}"),
        ("https://10.1.2.3/", f"must not lead to 10.1.2.3: {PRIVATE}"),
        ("https://169.254.169.254/latest/meta-data", f"must not lead to 169.254.169.254: {METADATA}"),
        ("https://localhost/", "must not name this host"),
        ("https://LOCALHOST./", "must not name this host"),
        ("https://a.localhost/", "must not name this host"),
    ],
)
def test_find_url_fault_sees_through_spellings(url: str, fault: str | None) -> None:
    """Only absolute https addresses of others pass; numbers are read as the resolver reads them."""
    assert find_url_fault(url, GLOBAL_ONLY) == fault


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://127.0.0.1:8080/", None),
        ("http://localhost/", None),
        ("https://[fd12::1]/", None),
        ("http://169.254.169.254/", f"must not lead to 169.254.169.254: {METADATA}"),
        ("http://2852039166/", f"must not lead to 169.254.169.254: {METADATA}"),
        ("http://a:b@127.0.0.1/", NAMELESS),
    ],
)
def test_find_url_fault_lets_private_addresses_pass_where_allowed(url: str, fault: str | None) -> None:
    """Metadata addresses and credentials in addresses are refused all the same."""
    assert find_url_fault(url, PRIVATE_TOO) == fault


def test_policy_parts_are_independent() -> None:
    """Private addresses may be allowed without http."""
    policy = Policy(allows_private=True, allows_plain=False)
    assert (find_url_fault("https://10.0.0.1/", policy), find_url_fault("http://10.0.0.1/", policy)) == (None, "must be an https URL")


OWN = "it is Lumetry's own"


@pytest.mark.parametrize(
    ("host", "address", "port", "objection"),
    [
        ("127.0.0.1", "127.0.0.1", 50051, OWN),
        ("127.0.0.1", "::ffff:127.0.0.1", 50051, OWN),
        ("127.0.0.1", "127.0.0.1", 8080, None),
        ("127.0.0.1", "127.0.0.2", 50051, None),
        ("[::1]", "::1", 50051, OWN),
        ("0.0.0.0", "127.0.0.1", 50051, OWN),
        ("0.0.0.0", "127.9.9.9", 50051, OWN),
        ("[::]", "127.0.0.1", 50051, OWN),
        ("localhost", "127.0.0.1", 50051, OWN),
        ("0.0.0.0", "8.8.8.8", 50051, None),
        ("0.0.0.0", "127.0.0.1", 443, None),
    ],
)
def test_find_objection_guards_the_core_itself(host: str, address: str, port: int, objection: str | None) -> None:
    """Its listener is out of reach on every address that leads to it, even where private addresses are allowed."""
    own = OwnPorts()
    own.add(host, 50051)
    policy = Policy(allows_private=True, allows_plain=True, own_ports=own)
    assert find_objection(ip_address(address), policy, port) == objection
    assert find_objection(ip_address(address), policy) is None


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::8.8.8.8", True),
        ("10.0.0.1", False),
        ("::1", False),
        ("64:ff9b::a00:1", False),
    ],
)
def test_is_public_tells_what_addresses_stand_for(address: str, public: bool) -> None:
    """Mapped and translated addresses are as public as those that they stand for."""
    assert is_public(ip_address(address)) is public
