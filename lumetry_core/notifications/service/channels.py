"""Writes and reads channels. What is secret of them is sealed before it is stored, and no verb but `update_channel` opens it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.vault import Vault, VaultError
from lumetry_core.notifications.channel_definitions import (
    DestinationFaults,
    check_channel,
    read_headers,
    read_rule,
    require_secret,
)
from lumetry_core.notifications.channel_routing import find_unknown
from lumetry_core.notifications.destination_drafts import ChannelDraft
from lumetry_core.notifications.destinations import (
    Channel,
    ChannelRule,
    ChannelType,
    TargetKind,
    mask_url,
    spell_config,
    spell_headers,
    spell_rule,
)
from lumetry_core.notifications.dispatch import Dispatch, DispatchPage, DispatchStatus
from lumetry_core.notifications.model import MASK, Secrets, SendResult
from lumetry_core.notifications.sealing import CHANNEL, open_channel, seal
from lumetry_core.notifications.service import dispatches
from lumetry_core.notifications.service.dispatches import SWITCHED_OFF
from lumetry_core.notifications.service.feeding import tell_channel, tell_channel_deleted
from lumetry_core.notifications.service.integrations import Rules
from lumetry_core.notifications.store import channels as store
from lumetry_core.notifications.store import dispatches as dispatch_store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found

KIND = "Channel"
RULE_KIND = "ChannelRule"
MOST_RULES = 100


@dataclass(frozen=True, slots=True)
class Tested:
    """What became of a test."""

    result: SendResult
    dispatch: Dispatch


async def list_channels(tx: Transaction, organization_id: int) -> list[Channel]:
    """All channels, ascending by number."""
    return await store.select_channels(tx, organization_id)


async def find_unknown_channels(tx: Transaction, organization_id: int, choices: Sequence[int | str]) -> Collection[int | str]:
    """Those of the numbers, names and types that stand for no channel (contract logs 8.1)."""
    return find_unknown(await store.select_channels(tx, organization_id), choices) if choices else ()


async def get_channel(tx: Transaction, organization_id: int, channel_id: int, *, lock: bool = False) -> Channel:
    """The channel of a number. Fails with NOT_FOUND."""
    found = await store.find_channel(tx, organization_id, channel_id, lock=lock)
    if found is None:
        raise not_found(KIND, channel_id)
    return found


async def create_channel(tx: Transaction, caller: Caller, draft: ChannelDraft, rules: Rules, now: datetime) -> Channel:
    """Creates a channel. Fails with VALIDATION_FAILED, DUPLICATE_NAME."""
    noted = DestinationFaults()
    definition = check_channel(draft, None, rules.policy, noted)
    secrets = resolve_secrets(draft, None, definition.type, rules.vault, noted.faults)
    noted.raise_if_any()
    await require_free_name(tx, caller.organization_id, definition.name, None)
    sealed = seal(rules.vault, caller.organization_id, secrets, CHANNEL)
    has_secret = secrets.secret is not None
    number = await store.insert_channel(tx, caller.organization_id, definition, sealed, has_secret=has_secret, now=now)
    created = await get_channel(tx, caller.organization_id, number)
    await tell_channel(tx, "channel.created", created, now)
    await record_audit(tx, caller, "Channel.Created", KIND, number, now, after=audited(created))
    return created


async def update_channel(tx: Transaction, caller: Caller, channel_id: int, draft: ChannelDraft, rules: Rules, now: datetime) -> Channel:
    """Changes what is given of a channel. Fails with NOT_FOUND, VALIDATION_FAILED, DUPLICATE_NAME."""
    before = await get_channel(tx, caller.organization_id, channel_id, lock=True)
    noted = DestinationFaults()
    definition = check_channel(draft, before, rules.policy, noted)
    secrets = resolve_secrets(draft, before, definition.type, rules.vault, noted.faults)
    noted.raise_if_any()
    await require_free_name(tx, caller.organization_id, definition.name, channel_id)
    sealed = seal(rules.vault, caller.organization_id, secrets, CHANNEL)
    has_secret = secrets.secret is not None
    await store.update_channel(tx, caller.organization_id, channel_id, definition, sealed, has_secret=has_secret, now=now)
    if before.is_enabled and not definition.is_enabled:
        await dispatch_store.fail_pending(tx, before.key, SWITCHED_OFF[TargetKind.CHANNEL])
    after = await get_channel(tx, caller.organization_id, channel_id)
    await tell_channel(tx, "channel.updated", after, now)
    changed = {"secretReplaced": True} if draft.secret is not None else {}
    values = audited(after) | changed
    await record_audit(tx, caller, "Channel.Updated", KIND, channel_id, now, before=audited(before), after=values)
    return after


async def delete_channel(tx: Transaction, caller: Caller, channel_id: int, now: datetime) -> None:
    """Deletes a channel; what waits for it is dropped. Fails with NOT_FOUND."""
    before = await get_channel(tx, caller.organization_id, channel_id, lock=True)
    await store.delete_channel(tx, caller.organization_id, channel_id)
    await dispatch_store.delete_pending(tx, before.key)
    await tell_channel_deleted(tx, caller.organization_id, channel_id, now)
    await record_audit(tx, caller, "Channel.Deleted", KIND, channel_id, now, before=audited(before))


async def add_rule(
    tx: Transaction, caller: Caller, channel_id: int, source_filter: str, severity_filter: str, now: datetime
) -> ChannelRule:
    """Adds a rule. Fails with NOT_FOUND, VALIDATION_FAILED, and with CONFLICT when there are as many as there may be."""
    channel = await get_channel(tx, caller.organization_id, channel_id, lock=True)
    faults = Faults()
    sources, severities = read_rule(source_filter, severity_filter, faults)
    faults.raise_if_any()
    if len(channel.rules) >= MOST_RULES:
        message = f"The channel has {MOST_RULES} rules, more are not possible."
        raise LumetryError(Reason.CONFLICT, message, type=KIND, id=str(channel_id), state="full")
    rule = await store.insert_rule(tx, caller.organization_id, channel_id, sources, severities, now)
    await note_rules(tx, channel, now)
    await record_audit(tx, caller, "ChannelRule.Created", RULE_KIND, rule.id, now, after=spell_rule(rule))
    return rule


async def remove_rule(tx: Transaction, caller: Caller, channel_id: int, rule_id: int, now: datetime) -> None:
    """Removes a rule. Fails with NOT_FOUND."""
    channel = await get_channel(tx, caller.organization_id, channel_id, lock=True)
    rule = next((rule for rule in channel.rules if rule.id == rule_id), None)
    if rule is None:
        raise not_found("Channel rule", rule_id)
    await store.delete_rule(tx, caller.organization_id, channel_id, rule_id)
    await note_rules(tx, channel, now)
    await record_audit(tx, caller, "ChannelRule.Deleted", RULE_KIND, rule_id, now, before=spell_rule(rule))


async def note_rules(tx: Transaction, channel: Channel, now: datetime) -> None:
    """Notes and tells that a channel has other rules."""
    await store.touch(tx, channel.organization_id, channel.id, now)
    await tell_channel(tx, "channel.updated", await get_channel(tx, channel.organization_id, channel.id), now)


async def list_deliveries(tx: Transaction, organization_id: int, channel_id: int, before: datetime | None, limit: int) -> DispatchPage:
    """What a channel was told. Fails with NOT_FOUND."""
    channel = await get_channel(tx, organization_id, channel_id)
    return await dispatches.list_page(tx, channel.key, before, limit)


async def note_test(tx: Transaction, caller: Caller, channel_id: int, tested: Tested, now: datetime) -> None:
    """Lists a test among the deliveries. A channel that was deleted meanwhile stays deleted."""
    if await store.find_channel(tx, caller.organization_id, channel_id, lock=True) is None:
        return
    await dispatch_store.insert_dispatches(tx, [tested.dispatch])
    await record_audit(tx, caller, "Channel.Tested", KIND, channel_id, now, after=audited_result(tested.result))


def end_test(dispatch: Dispatch, result: SendResult, now: datetime) -> Tested:
    """A test after its one attempt."""
    status = DispatchStatus.DELIVERED if result.ok else DispatchStatus.FAILED
    ended = replace(
        dispatch,
        status=status,
        attempts=1,
        response_status=result.status_code,
        error=result.error,
        next_attempt_time=None,
        deliver_time=now if result.ok else None,
        body=None,
        is_test=True,
    )
    return Tested(result, ended)


async def require_free_name(tx: Transaction, organization_id: int, name: str, own: int | None) -> None:
    """Fails with DUPLICATE_NAME when another channel has the name."""
    holder = await store.find_by_name(tx, organization_id, name)
    if holder not in (None, own):
        raise LumetryError(Reason.DUPLICATE_NAME, f"Another channel has the name {name}.", type=KIND, name=name)


def resolve_secrets(draft: ChannelDraft, before: Channel | None, kind: ChannelType, vault: Vault, faults: Faults) -> Secrets:
    """What is to be sealed: what is sent, and of what is stored what the draft keeps. Notes what cannot be kept, or is missing."""
    stored = Secrets()
    if before is not None:
        try:
            stored = open_channel(vault, before)
        except VaultError:
            if draft.secret is None and before.has_secret:
                faults.add("secret", "is stored but cannot be opened with the key of this core; send it anew")
            if before.header_names and draft.headers is None:
                faults.add("headers", "are stored but cannot be opened with the key of this core; send them anew")
    secret = stored.secret if draft.secret is None else draft.secret or None
    headers = dict(stored.headers)
    if draft.headers is not None:
        kept = {name.lower(): value for name, value in stored.headers.items()}
        headers = {}
        for name, value in read_headers(draft.headers, kind, Faults()).items():
            faults.check(value != MASK or name.lower() in kept, f"headers.{name}", "has no stored value to keep")
            headers[name] = kept.get(name.lower(), "") if value == MASK else value
    secrets = Secrets(secret, headers)
    require_secret(kind, secrets, faults)
    return secrets


def audited(channel: Channel) -> dict[str, object]:
    """What the audit log keeps of a channel. Addresses of chats are secrets but for their host."""
    shows_url = channel.type in (ChannelType.WEBHOOK, ChannelType.EMAIL)
    return {
        "name": channel.name,
        "type": channel.type.value,
        "url": channel.url if shows_url else mask_url(channel),
        "headers": spell_headers(channel.header_names),
        "config": spell_config(channel.config),
        "has_secret": channel.has_secret,
        "enabled": channel.is_enabled,
    }


def audited_result(result: SendResult) -> dict[str, object]:
    """What the audit log keeps of a test."""
    return {"success": result.ok, "response_status": result.status_code, "error": result.error}
