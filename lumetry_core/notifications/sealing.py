"""Puts secrets and header values of integrations, channels and webhooks into the vault, and takes them out for one use."""

from datetime import datetime

import msgspec

from lumetry_core.access.vault import Vault
from lumetry_core.notifications.definitions import check_integration
from lumetry_core.notifications.destinations import Channel, Webhook
from lumetry_core.notifications.fallback import find_fallback_fault, read_fallback
from lumetry_core.notifications.model import FALLBACK_ID, Integration, Secrets
from lumetry_core.runtime.addresses import Policy
from lumetry_core.runtime.clock import EPOCH
from lumetry_core.runtime.errors import Faults

DEPLOYMENT = 0
"""The organization to which the fallback target belongs, which is none."""

encoder = msgspec.json.Encoder()
decoder = msgspec.json.Decoder(Secrets)


INTEGRATION = "alerting integration"
CHANNEL = "channel"
WEBHOOK = "webhook"


def context_of(organization_id: int, what: str = INTEGRATION) -> str:
    """Whose secrets they are, so that those of one organization cannot be used in another."""
    return f"{what} of organization {organization_id}"


def seal(vault: Vault, organization_id: int, secrets: Secrets, what: str = INTEGRATION) -> bytes | None:
    """What is stored; None when there is nothing to keep."""
    if secrets.secret is None and not secrets.headers:
        return None
    return vault.seal(encoder.encode(secrets).decode(), context_of(organization_id, what))


def unseal(vault: Vault, integration: Integration) -> Secrets:
    """What an integration keeps sealed. Raises VaultError."""
    if integration.sealed is None:
        return Secrets()
    return decoder.decode(vault.unseal(integration.sealed, context_of(integration.organization_id)))


def open_channel(vault: Vault, channel: Channel) -> Secrets:
    """What a channel keeps sealed. Raises VaultError."""
    if channel.sealed is None:
        return Secrets()
    return decoder.decode(vault.unseal(channel.sealed, context_of(channel.organization_id, CHANNEL)))


def seal_secret(vault: Vault, organization_id: int, secret: str) -> bytes:
    """What is stored of a webhook's secret."""
    return vault.seal(secret, context_of(organization_id, WEBHOOK))


def open_webhook(vault: Vault, webhook: Webhook, now: datetime) -> list[str]:
    """The secrets of a webhook that sign now, the newest first. Raises VaultError."""
    context = context_of(webhook.organization_id, WEBHOOK)
    found = [vault.unseal(webhook.sealed, context)]
    if webhook.previous_sealed is not None and webhook.previous_end_time is not None and now < webhook.previous_end_time:
        found.append(vault.unseal(webhook.previous_sealed, context))
    return found


def build_fallback(text: str, policy: Policy, vault: Vault) -> Integration | None:
    """The deployment's fallback target as an integration with the number 0, which no stored one has; None: none is set.

    Raises ValueError, as configurations with a faulty one do.
    """
    fault = find_fallback_fault(text, policy)
    if fault is not None:
        raise ValueError(fault)
    draft = read_fallback(text)
    if draft is None:
        return None
    definition = check_integration(draft, policy, Faults())
    return Integration(
        id=FALLBACK_ID,
        organization_id=DEPLOYMENT,
        name=definition.name,
        type=definition.type,
        endpoint_url=definition.endpoint_url,
        header_names=definition.header_names,
        config=definition.config,
        has_secret=draft.secret is not None,
        sealed=seal(vault, DEPLOYMENT, Secrets(draft.secret, dict(draft.headers))),
        create_time=EPOCH,
        update_time=EPOCH,
    )
