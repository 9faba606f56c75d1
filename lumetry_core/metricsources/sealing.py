"""Puts the secrets of sources into the vault, and takes them out for one poll."""

from dataclasses import dataclass

import msgspec
from yarl import URL

from lumetry_core.access.vault import Vault
from lumetry_core.metricsources.model import DATABASES, Definition, Source
from lumetry_core.runtime.addresses import Policy

candidate_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Rules:
    """What the deployment says of sources: what seals their secrets, and where polls of the core may lead."""

    vault: Vault
    policy: Policy


class Candidate(msgspec.Struct):
    """What is kept of a test until a collector has made it."""

    definition: Definition
    secret: str
    source_id: int


candidate_decoder = msgspec.json.Decoder(Candidate)


def context_of(organization_id: int) -> str:
    """Whose secrets they are, so that those of one organization cannot be used in another."""
    return f"metric source of organization {organization_id}"


def test_context_of(organization_id: int) -> str:
    """Whose tests they are."""
    return f"metric source test of organization {organization_id}"


def seal(vault: Vault, organization_id: int, secret: str) -> bytes | None:
    """What is stored of a secret; None when it is empty."""
    return vault.seal(secret, context_of(organization_id)) if secret else None


def unseal(vault: Vault, organization_id: int, sealed: bytes | None) -> str:
    """The secret of a source; empty when it has none. Raises VaultError."""
    return "" if sealed is None else vault.unseal(sealed, context_of(organization_id))


def seal_candidate(vault: Vault, organization_id: int, candidate: Candidate) -> bytes:
    """What is stored of a test, secret and all."""
    return vault.seal(candidate_encoder.encode(candidate).decode(), test_context_of(organization_id))


def unseal_candidate(vault: Vault, organization_id: int, sealed: bytes) -> Candidate:
    """What is tested. Raises VaultError."""
    return candidate_decoder.decode(vault.unseal(sealed, test_context_of(organization_id)))


def leads_elsewhere(before: Source, after: Definition) -> bool:
    """Whether the secret of a source would come to somebody else, or get there in the clear, if it was kept."""
    old = before.definition
    return place_of(old) != place_of(after) or (old.target.tls and not after.target.tls)


def place_of(definition: Definition) -> tuple[str, str, str, int | None]:
    """Whom a source asks. Another path of the same host is the same place, as is another name for the user."""
    target = definition.target
    if definition.type in DATABASES:
        return definition.type.value, "", target.host.lower(), target.port
    url = URL(target.base_url, encoded=True)
    # Both speak the same protocol, in which the same secret is for the same service.
    kind = "prometheus" if definition.type.value == "thanos" else definition.type.value
    return kind, url.scheme, (url.host or "").lower(), url.port
