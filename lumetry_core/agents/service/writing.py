"""Makes, changes and deletes agents."""

from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from typing import Any

from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.agents import store
from lumetry_core.agents.draft import FIELDS, Draft, read_draft
from lumetry_core.agents.model import FALLBACK_SLUG, FIXED, RESTRICTIONS, WRITABLE_OF_HOSTS, Agent, Kind, audited, is_reserved
from lumetry_core.agents.service.reading import get_agent
from lumetry_core.agents.service.settling import settle
from lumetry_core.hostagents.service.administering import switch_agent
from lumetry_core.projects.model import free_slug, slug_of
from lumetry_core.projects.service.projects import check_interactive
from lumetry_core.runtime.caller import Caller, Permission
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason
from lumetry_core.runtime.identifiers import new_uuid

AUDIT_TYPE = "Agent"
RESERVED = "is reserved"


def check_new(caller: Caller, draft: Draft) -> dict[str, Any]:
    """The values of an agent to be made. Fails with INTERACTIVE_ONLY, VALIDATION_FAILED."""
    names = {name for name in FIELDS if getattr(draft, name) is not None}
    check_restrictions(caller, names)
    faults = Faults()
    values = read_draft(draft, names, faults)
    faults.check(draft.name is not None, "name", "is required")
    faults.check(not is_reserved(values.get("name", "")), "name", RESERVED)
    faults.raise_if_any()
    return values


async def create(tx: Transaction, caller: Caller, draft: Draft, now: datetime) -> Agent:
    """Makes an agent. Fails as `check_new` and, when the slug is taken, with CONFLICT."""
    values = check_new(caller, draft)
    await settle(tx, caller.organization_id, now)
    slug = values.pop("slug", None) or await choose_slug(tx, caller.organization_id, values["name"])
    agent = Agent(organization_id=caller.organization_id, id=new_uuid(), slug=slug, create_time=now, update_time=now, **values)
    if not await store.insert(tx, agent):
        raise slug_taken(slug)
    await record_audit(tx, caller, "Agent.Created", AUDIT_TYPE, agent.id, now, after=audited(agent))
    return agent


def check_change(caller: Caller, draft: Draft, names: AbstractSet[str]) -> dict[str, Any]:
    """The new values of the named fields. Fails with INTERACTIVE_ONLY, VALIDATION_FAILED."""
    check_restrictions(caller, names)
    faults = Faults()
    faults.check(bool(names & FIELDS), "", "No field to change was given")
    values = read_draft(draft, names & FIELDS, faults)
    faults.raise_if_any()
    return values


async def update(
    tx: Transaction,
    caller: Caller,
    id_or_slug: str,
    draft: Draft,
    names: AbstractSet[str],
    defaults: OrganizationSettings,
    now: datetime,
) -> Agent:
    """Changes the named fields of an agent and no others; that of a host agent is enabled and disabled itself.

    Fails as `check_change`, with VALIDATION_FAILED for the reserved name, with NOT_FOUND, with CONFLICT when the slug is taken, and with
    PERMISSION_DENIED when the default agent or the image of a host agent would change what it is.
    """
    values = check_change(caller, draft, names)
    before = await get_agent(tx, caller, id_or_slug)
    if before.kind is Kind.HOST:  # first, as whoever changes a host agent holds it before its image
        await switch_host(tx, caller, before, values, defaults, now)
    await settle(tx, caller.organization_id, now)
    before = await get_agent(tx, caller, id_or_slug)
    after = replace(before, **values)
    if before.is_default and any(getattr(after, name) != getattr(before, name) for name in FIXED):
        raise protected("The default agent keeps its name, slug and model and stays active")
    if not before.is_default and is_reserved(after.name):
        faults = Faults()
        faults.add("name", RESERVED)
        faults.raise_if_any()
    if after == before:
        return before
    if after.slug != before.slug and await store.list_slugs(tx, caller.organization_id, after.slug) >= {after.slug}:
        raise slug_taken(after.slug)
    after = replace(after, update_time=now)
    await store.save(tx, after)
    await record_audit(tx, caller, "Agent.Updated", AUDIT_TYPE, after.id, now, before=audited(before), after=audited(after))
    return after


async def delete(tx: Transaction, caller: Caller, id_or_slug: str, now: datetime) -> Agent:
    """Hides an agent for good; what it wrote stays. Fails with NOT_FOUND, PERMISSION_DENIED for the default one and for host agents."""
    await settle(tx, caller.organization_id, now)
    agent = await get_agent(tx, caller, id_or_slug)
    if agent.is_default:
        raise protected("The default agent cannot be deleted")
    if agent.kind is Kind.HOST:
        raise protected("Host agents are removed by revoking their enrollment")
    await store.delete(tx, caller.organization_id, agent.id, now)
    await record_audit(tx, caller, "Agent.Deleted", AUDIT_TYPE, agent.id, now, before=audited(agent))
    return agent


async def switch_host(
    tx: Transaction, caller: Caller, image: Agent, values: dict[str, Any], defaults: OrganizationSettings, now: datetime
) -> None:
    """Enables or disables the host agent of an image, if that is asked for. Fails with PERMISSION_DENIED."""
    if not values.keys() <= WRITABLE_OF_HOSTS:
        raise protected("Of a host agent only description, avatar, metadata and isActive can be changed")
    if "is_active" not in values:
        return
    permission = Permission.MANAGE_INFRASTRUCTURE
    if not caller.may(permission):
        raise LumetryError(Reason.PERMISSION_DENIED, f"This needs the permission {permission.value}.", permission=permission.value)
    await switch_agent(tx, caller, image.id, is_enabled=values["is_active"], defaults=defaults, now=now)


async def choose_slug(tx: Transaction, organization_id: int, name: str) -> str:
    """The slug that a name suggests, numbered when it is taken."""
    wanted = slug_of(name, FALLBACK_SLUG)
    # A number may shorten a long slug, so the beginning that all candidates share is looked up.
    return free_slug(wanted, await store.list_slugs(tx, organization_id, wanted[:50]))


def check_restrictions(caller: Caller, names: AbstractSet[str]) -> None:
    """Refuses programs that would change what agents are restricted to. Fails with INTERACTIVE_ONLY."""
    if names & RESTRICTIONS:
        check_interactive(caller, "Agent restrictions require a browser session")


def slug_taken(slug: str) -> LumetryError:
    """The failure for a slug of another agent."""
    return LumetryError(Reason.CONFLICT, f"Another agent has the slug {slug}", type="Agent", id=slug, state="taken")


def protected(message: str) -> LumetryError:
    """The failure for what the default agent does not allow."""
    return LumetryError(Reason.PERMISSION_DENIED, message, permission="")
