"""What a presented chain says (contract monitoring 7.1). Nothing here trusts it: a server may present anything."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_address

from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier, SignatureAlgorithmOID

from lumetry_core.certificates.model import CertificateFacts, ChainLink

MAX_TEXT = 255
MAX_SANS = 1000
MAX_LINKS = 32
SECONDS_PER_DAY = 86_400

ALGORITHMS: dict[ObjectIdentifier, str] = {
    SignatureAlgorithmOID.RSA_WITH_MD5: "MD5-RSA",
    SignatureAlgorithmOID.RSA_WITH_SHA1: "SHA1-RSA",
    SignatureAlgorithmOID.RSA_WITH_SHA256: "SHA256-RSA",
    SignatureAlgorithmOID.RSA_WITH_SHA384: "SHA384-RSA",
    SignatureAlgorithmOID.RSA_WITH_SHA512: "SHA512-RSA",
    SignatureAlgorithmOID.RSASSA_PSS: "RSA-PSS",
    SignatureAlgorithmOID.ECDSA_WITH_SHA1: "ECDSA-SHA1",
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: "ECDSA-SHA256",
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: "ECDSA-SHA384",
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: "ECDSA-SHA512",
    SignatureAlgorithmOID.ED25519: "Ed25519",
    SignatureAlgorithmOID.ED448: "Ed448",
}


class UnreadableError(ValueError):
    """The leaf is no certificate that can be read."""


def read_presented(der_chain: Sequence[bytes], hostname: str, now: datetime) -> CertificateFacts:
    """What a chain says, leaf first.

    Raises:
        UnreadableError: The leaf cannot be read. Links above it that cannot be are left out.
    """
    try:
        leaf = x509.load_der_x509_certificate(der_chain[0])
        dns, addresses = read_sans(leaf)
        link = read_link(leaf)
        return CertificateFacts(
            subject_cn=link.subject_cn,
            issuer_cn=link.issuer_cn,
            issuer_org=read_name(leaf.issuer, NameOID.ORGANIZATION_NAME),
            sans=tuple([*dns, *addresses][:MAX_SANS]),
            serial_number=f"{leaf.serial_number:x}",
            signature_algorithm=ALGORITHMS.get(leaf.signature_algorithm_oid, leaf.signature_algorithm_oid.dotted_string),
            not_before=link.not_before,
            not_after=link.not_after,
            days_remaining=count_days(link.not_after, now),
            hostname_match=matches(hostname, dns, addresses),
            chain=(link, *read_links(der_chain[1:MAX_LINKS])),
        )
    except (ValueError, TypeError, IndexError, x509.UnsupportedGeneralNameType) as error:
        raise UnreadableError("the certificate cannot be read") from error


def read_links(der_chain: Sequence[bytes]) -> list[ChainLink]:
    """The certificates above the leaf."""
    links = []
    for der in der_chain:
        try:
            links.append(read_link(x509.load_der_x509_certificate(der)))
        except (ValueError, TypeError):
            continue
    return links


def read_link(certificate: x509.Certificate) -> ChainLink:
    """A certificate's names and period."""
    return ChainLink(
        subject_cn=read_name(certificate.subject, NameOID.COMMON_NAME),
        issuer_cn=read_name(certificate.issuer, NameOID.COMMON_NAME),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def read_name(name: x509.Name, oid: ObjectIdentifier) -> str:
    """The first text of a kind in a name, cut; empty without one."""
    found = name.get_attributes_for_oid(oid)
    if not found:
        return ""
    value = found[0].value
    return clean(value if isinstance(value, str) else value.decode("utf-8", "replace"))


def read_sans(certificate: x509.Certificate) -> tuple[list[str], list[str]]:
    """The names and the addresses that a certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return [], []
    dns = [clean(name) for name in names.get_values_for_type(x509.DNSName)]
    return dns, [str(address) for address in names.get_values_for_type(x509.IPAddress)]


def clean(text: str) -> str:
    """A text that every store can hold."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:MAX_TEXT]


def count_days(not_after: datetime, now: datetime) -> int:
    """Whole days that are left, below zero once it is over."""
    return int((not_after - now).total_seconds() // SECONDS_PER_DAY)


def matches(hostname: str, dns: Sequence[str], addresses: Sequence[str]) -> bool:
    """Whether a certificate is for a host. As in browsers its common name does not count."""
    try:
        address = ip_address(hostname)
    except ValueError:
        return any(matches_name(hostname, pattern.lower().rstrip(".")) for pattern in dns)
    return str(address) in addresses


def matches_name(hostname: str, pattern: str) -> bool:
    """Whether a name fits; a wildcard stands for exactly the first label, and never right below the top."""
    if not pattern.startswith("*."):
        return bool(pattern) and hostname == pattern
    suffix = pattern[1:]
    label, dot, rest = hostname.partition(".")
    return bool(label and dot) and suffix == f".{rest}" and "." in rest


def fingerprint(der_chain: Sequence[bytes]) -> bytes:
    """Tells one chain from another."""
    digest = hashlib.sha256()
    for der in der_chain:
        digest.update(len(der).to_bytes(4, "big"))
        digest.update(der)
    return digest.digest()
