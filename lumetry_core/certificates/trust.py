"""Whether chains lead to a root that this machine trusts (contract monitoring 7.3).

OpenSSL itself judges, through `X509StoreContext` of pyOpenSSL: it knows the machine's trust store, tells each cause by a number, and takes
the time to judge at. The verifier of `cryptography` gives texts only, and is for chains that follow the rules of browsers to the letter.
Both are loaded with the first chain: they are large, and many deployments watch no certificate.
"""

import re
import ssl
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from lumetry_core.certificates.model import Verdict

if TYPE_CHECKING:
    from OpenSSL import crypto

log = structlog.get_logger(__name__)

EXPIRED = "expired chain certificate"
UNTRUSTED = "untrusted root or missing intermediate"
INCOMPATIBLE = "incompatible certificate"

CAUSES = {
    10: EXPIRED,  # has expired
    2: UNTRUSTED,  # no certificate of the issuer
    18: UNTRUSTED,  # self-signed leaf
    19: UNTRUSTED,  # self-signed root that is not trusted
    20: UNTRUSTED,  # no certificate of the issuer here
    21: UNTRUSTED,  # the first certificate cannot be verified
    27: UNTRUSTED,  # not trusted
    28: UNTRUSTED,  # rejected
    79: INCOMPATIBLE,  # the issuer is no authority
    24: INCOMPATIBLE,  # the same, in other versions
    25: INCOMPATIBLE,  # more authorities in a row than allowed
    26: INCOMPATIBLE,  # for another purpose
    32: INCOMPATIBLE,  # the issuer may not sign certificates
    34: INCOMPATIBLE,  # a critical extension that nobody knows
    47: INCOMPATIBLE,  # outside the names that an authority may sign for
    48: INCOMPATIBLE,  # within the names that it may not
    66: INCOMPATIBLE,  # weak key of the leaf
    67: INCOMPATIBLE,  # weak key of an authority
    68: INCOMPATIBLE,  # weak digest
}
"""By OpenSSL's number (`X509_V_ERR_…`)."""
MAX_DETAIL = 200
PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class TrustStore:
    """The certificates that are trusted: those of this machine, or of one file instead."""

    def __init__(self, path: str | None = None) -> None:
        """Builds the store; it is read when it is first needed, and again when its file has changed.

        Args:
            path: A PEM file. None: where OpenSSL looks, which `SSL_CERT_FILE` and `SSL_CERT_DIR` change.
        """
        self._path = path
        self._trusted: list[crypto.X509] = []
        self._version: object = None

    def verify(self, der_chain: Sequence[bytes], now: datetime) -> Verdict:
        """Judges a chain, leaf first. A machine that trusts nobody cannot judge: that is no fault of the chain."""
        from OpenSSL import crypto  # noqa: PLC0415 -- see the docstring

        trusted = self._read()
        if not trusted:
            return Verdict(valid=None)
        try:
            leaf, *others = (crypto.load_certificate(crypto.FILETYPE_ASN1, der) for der in der_chain)
        except crypto.Error:
            return Verdict(valid=False, error="other: a certificate of the chain cannot be read")
        try:
            crypto.X509StoreContext(build_store(trusted, now), leaf, others).verify_certificate()
        except crypto.X509StoreContextError as error:
            return Verdict(valid=False, error=CAUSES.get(error.errors[0]) or f"other: {str(error)[:MAX_DETAIL]}")
        except crypto.Error:
            return Verdict(valid=False, error="other: the chain cannot be judged")
        return Verdict(valid=True) if is_for_servers(leaf) else Verdict(valid=False, error=INCOMPATIBLE)

    def _read(self) -> list["crypto.X509"]:
        paths = ssl.get_default_verify_paths()
        place = self._path or paths.cafile or paths.capath
        version = (place, read_version(place))
        if version != self._version:
            self._version = version
            self._trusted = [] if place is None else load_trusted(Path(place))
            if not self._trusted:
                log.warning(
                    "no trusted certificates are found, so chains cannot be judged; SSL_CERT_FILE names a file of them", place=place
                )
        return self._trusted


def build_store(trusted: Sequence["crypto.X509"], now: datetime) -> "crypto.X509Store":
    """A store for one verification: the time of a store is set once and for all."""
    from OpenSSL import crypto  # noqa: PLC0415 -- see the docstring

    store = crypto.X509Store()
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)  # as in browsers, an authority that is trusted needs no root above it
    store.set_time(now.replace(tzinfo=None))
    for certificate in trusted:
        store.add_cert(certificate)
    return store


def read_version(place: str | None) -> object:
    """What changes with a file's content."""
    try:
        found = Path(place).stat() if place else None
    except OSError:
        return None
    return found and (found.st_mtime_ns, found.st_size, found.st_ino)


def load_trusted(place: Path) -> list["crypto.X509"]:
    """The certificates of a PEM file, or of all files in a folder; those that cannot be read are left out."""
    from OpenSSL import crypto  # noqa: PLC0415 -- see the docstring

    try:
        files = sorted(place.iterdir()) if place.is_dir() else [place]
        blocks = [block for file in files if file.is_file() for block in PEM.findall(file.read_bytes())]
    except OSError as error:
        log.warning("trusted certificates cannot be read", place=str(place), error=error.strerror)
        return []
    trusted = []
    for block in dict.fromkeys(blocks):
        with suppress(crypto.Error):
            trusted.append(crypto.load_certificate(crypto.FILETYPE_PEM, block))
    return trusted


def is_for_servers(leaf: "crypto.X509") -> bool:
    """Whether a certificate, if it says what it is for, is for servers."""
    from cryptography import x509  # noqa: PLC0415 -- see the docstring
    from cryptography.x509.oid import ExtendedKeyUsageOID  # noqa: PLC0415

    try:
        usage = leaf.to_cryptography().extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return True
    return ExtendedKeyUsageOID.SERVER_AUTH in usage or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usage
