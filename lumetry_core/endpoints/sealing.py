"""Puts the values of secret headers into the vault, and takes them out for one check."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from lumetry_core.access.vault import Vault, VaultError
from lumetry_core.endpoints.drafts import is_secret
from lumetry_core.endpoints.model import MASK, Endpoint
from lumetry_core.runtime.addresses import Policy
from lumetry_core.runtime.errors import Faults

encoder = msgspec.json.Encoder()
decoder = msgspec.json.Decoder(dict[str, str])


@dataclass(frozen=True, slots=True)
class Rules:
    """What the deployment says of endpoints: what seals their secrets, and where checks may lead."""

    vault: Vault
    policy: Policy


def context_of(organization_id: int) -> str:
    """Whose headers they are, so that those of one organization cannot be used in another."""
    return f"endpoint of organization {organization_id}"


def seal_headers(
    headers: Mapping[str, str] | None, before: Endpoint | None, organization_id: int, vault: Vault, faults: Faults
) -> bytes | None:
    """What is stored of headers as they were sent; masked ones keep what is stored, and so does everything when none were sent."""
    if headers is None:
        return None if before is None else before.sealed
    kept: Mapping[str, str] = {}
    if before is not None and before.sealed is not None and any(value == MASK for value in headers.values()):
        try:
            kept = {name.lower(): value for name, value in open_sealed(before, vault).items()}
        except VaultError:
            faults.add("headers", "are stored but cannot be opened with the key of this core; send them anew")
            return None
    secrets: dict[str, str] = {}
    for name, value in headers.items():
        if value == MASK:
            faults.check(name.lower() in kept, f"headers.{name}", "has no stored value to keep")
        if is_secret(name):
            secrets[name] = kept.get(name.lower(), "") if value == MASK else value
    return vault.seal(encoder.encode(secrets).decode(), context_of(organization_id)) if secrets else None


def open_sealed(endpoint: Endpoint, vault: Vault) -> dict[str, str]:
    """The values of an endpoint's secret headers. Raises VaultError."""
    if endpoint.sealed is None:
        return {}
    return decoder.decode(vault.unseal(endpoint.sealed, context_of(endpoint.organization_id)))


def open_headers(endpoint: Endpoint, vault: Vault) -> dict[str, str]:
    """The headers that a check sends. Raises VaultError."""
    return {**endpoint.config.headers, **open_sealed(endpoint, vault)}
