from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from lumetry_core.certificates.chain import UnreadableError, count_days, fingerprint, matches, read_presented
from lumetry_core.certificates.model import CertificateFacts, ChainLink
from tests.core.certificates.authority import NOW, YEARS, issue, make_intermediate, make_root, sign


def test_read_facts() -> None:
    """Everything that a chain says, leaf first."""
    leaf = issue("example.org", "*.example.org", "10.0.0.1", days=30.5)
    link = ChainLink("example.org", "Test Trust CA 1", NOW - timedelta(days=90), NOW + timedelta(days=30.5))
    assert read_presented(leaf.chain(), "example.org", NOW) == CertificateFacts(
        subject_cn="example.org",
        issuer_cn="Test Trust CA 1",
        issuer_org="Test Trust",
        sans=("example.org", "*.example.org", "10.0.0.1"),
        serial_number=f"{leaf.certificate.serial_number:x}",
        signature_algorithm="ECDSA-SHA256",
        not_before=link.not_before,
        not_after=link.not_after,
        days_remaining=30,
        hostname_match=True,
        chain=(link, ChainLink("Test Trust CA 1", "Test Root", NOW - YEARS, NOW + timedelta(days=3000))),
    )


def test_read_certificate_without_names() -> None:
    """A certificate that says next to nothing is one, though for no host."""
    facts = read_presented([issue(common="").der], "example.org", NOW)
    assert (facts.subject_cn, facts.sans, facts.hostname_match) == ("", (), False)


def test_read_hostile_names() -> None:
    """Names are cut, and hold nothing that a store cannot."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a\0b", _validate=False)])
    hostile = sign(name, None, starts=NOW, ends=NOW + YEARS)
    assert read_presented([hostile.der], "a", NOW).subject_cn == "a\ufffdb"
    many = issue(*(f"host-{number}.example.org" for number in range(1200)))
    assert len(read_presented([many.der], "a", NOW).sans) == 1000


@pytest.mark.parametrize("chain", [(), (b"",), (b"no certificate",)])
def test_refuse_unreadable_leaf(chain: tuple[bytes, ...]) -> None:
    """Without a leaf that can be read there is nothing to say."""
    with pytest.raises(UnreadableError):
        read_presented(chain, "example.org", NOW)


def test_leave_out_unreadable_links() -> None:
    """What cannot be read above the leaf is left out."""
    leaf = issue("example.org")
    chain = read_presented([leaf.der, b"junk", make_intermediate().der], "example.org", NOW).chain
    assert [link.subject_cn for link in chain] == ["example.org", "Test Trust CA 1"]


@pytest.mark.parametrize(("hours", "days"), [(0, 0), (23.9, 0), (24, 1), (47.9, 1), (-0.1, -1), (-24, -1), (-24.1, -2)])
def test_count_days(hours: float, days: int) -> None:
    """Whole days, rounded down on either side of the end."""
    assert count_days(NOW + timedelta(hours=hours), NOW) == days


@pytest.mark.parametrize(
    ("hostname", "names", "fits"),
    [
        ("example.org", ["example.org"], True),
        ("example.org", ["EXAMPLE.org."], True),
        ("example.org", ["www.example.org"], False),
        ("www.example.org", ["*.example.org"], True),
        ("a.www.example.org", ["*.example.org"], False),
        ("example.org", ["*.example.org"], False),
        ("example.org", ["*.org"], False),
        ("www.example.org", ["w*.example.org"], False),
        ("www.example.org", ["*.*.org"], False),
        ("example.org", [], False),
        ("example.org", ["", "*", "*."], False),
    ],
)
def test_match_names(hostname: str, names: list[str], fits: bool) -> None:
    """A wildcard stands for exactly one label, the first."""
    assert matches(hostname, names, []) is fits


def test_match_addresses() -> None:
    """Addresses fit addresses only, in whichever spelling."""
    assert matches("10.0.0.1", [], ["10.0.0.1"])
    assert matches("2001:db8::1", [], ["2001:db8::1"])
    assert not matches("10.0.0.1", ["10.0.0.1", "*.0.0.1"], ["10.0.0.2"])


def test_fingerprint_tells_chains_apart() -> None:
    """The same bytes, cut elsewhere, are another chain."""
    assert fingerprint([b"ab", b"c"]) != fingerprint([b"a", b"bc"])
    assert fingerprint([make_root().der]) == fingerprint([make_root().der])
