from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from lumetry_core.certificates.model import Verdict
from lumetry_core.certificates.trust import EXPIRED, INCOMPATIBLE, UNTRUSTED, TrustStore
from tests.core.certificates.authority import NOW, YEARS, issue, issue_self_signed, make_intermediate, make_name, make_root, sign


@pytest.fixture
def trust(tmp_path: Path) -> TrustStore:
    """Trusts the test root alone."""
    path = tmp_path / "roots.pem"
    path.write_bytes(make_root().pem)
    return TrustStore(str(path))


def test_trust_complete_chain(trust: TrustStore) -> None:
    """A chain that leads to a trusted root is valid, also with the root in it, and in any order above the leaf."""
    leaf = issue("example.org")
    assert trust.verify(leaf.chain(), NOW) == Verdict(valid=True)
    assert trust.verify((leaf.der, make_root().der, make_intermediate().der), NOW) == Verdict(valid=True)


def test_tell_missing_intermediate(trust: TrustStore) -> None:
    """The commonest mistake: the server presents its own certificate only."""
    assert trust.verify(issue("example.org").chain(0), NOW) == Verdict(valid=False, error=UNTRUSTED)


def test_tell_untrusted_root(trust: TrustStore) -> None:
    """Neither a certificate that vouches for itself nor an authority that nobody knows is trusted."""
    assert trust.verify(issue_self_signed("example.org").chain(), NOW) == Verdict(valid=False, error=UNTRUSTED)
    stranger = sign(make_name("Stranger"), None, starts=NOW - YEARS, ends=NOW + YEARS, authority=True)
    assert trust.verify((issue("example.org", issuer=stranger).der, stranger.der), NOW) == Verdict(valid=False, error=UNTRUSTED)


def test_tell_expired_certificates(trust: TrustStore) -> None:
    """Of the leaf or of an authority; by the given time, not by that of the machine."""
    assert trust.verify(issue("example.org", days=-1).chain(), NOW) == Verdict(valid=False, error=EXPIRED)
    short = make_intermediate("Short", days=10)
    leaf = issue("example.org", days=300, issuer=short)
    assert trust.verify(leaf.chain(), NOW + timedelta(days=9)) == Verdict(valid=True)
    assert trust.verify(leaf.chain(), NOW + timedelta(days=11)) == Verdict(valid=False, error=EXPIRED)


def test_tell_incompatible_certificates(trust: TrustStore) -> None:
    """A certificate for another purpose, and one signed by a certificate that is no authority."""
    client = issue("example.org", usage=ExtendedKeyUsageOID.CLIENT_AUTH)
    assert trust.verify(client.chain(), NOW) == Verdict(valid=False, error=INCOMPATIBLE)
    signed_by_leaf = issue("example.org", issuer=issue("other.org"))
    assert trust.verify(signed_by_leaf.chain(), NOW) == Verdict(valid=False, error=INCOMPATIBLE)


def test_tell_other_causes(trust: TrustStore) -> None:
    """Whatever else is wrong is told in OpenSSL's words."""
    early = trust.verify(issue("example.org").chain(), NOW - timedelta(days=200))
    assert early == Verdict(valid=False, error="other: certificate is not yet valid or the system clock is incorrect")
    assert trust.verify((b"junk",), NOW).error == "other: a certificate of the chain cannot be read"


def test_trust_machine_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a file of its own it trusts what OpenSSL does, which `SSL_CERT_FILE` changes; changed files are read anew."""
    path = tmp_path / "roots.pem"
    path.write_bytes(sign(make_name("Other"), None, starts=NOW - YEARS, ends=NOW + YEARS, authority=True).pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    trust, leaf = TrustStore(), issue("example.org")
    assert trust.verify(leaf.chain(), NOW) == Verdict(valid=False, error=UNTRUSTED)
    path.write_bytes(make_root().pem + make_root().pem)
    assert trust.verify(leaf.chain(), NOW) == Verdict(valid=True)


def test_judge_nothing_without_trust(tmp_path: Path) -> None:
    """A machine without trusted certificates cannot judge, and does not take that for a fault of the chain."""
    empty = tmp_path / "empty.pem"
    empty.write_bytes(b"")
    assert TrustStore(str(tmp_path / "none.pem")).verify(issue("example.org").chain(), NOW) == Verdict(valid=None)
    assert TrustStore(str(empty)).verify(issue("example.org").chain(), NOW) == Verdict(valid=None)
