"""Takes in what agents report of processes, and reads it."""

from collections.abc import Sequence
from datetime import datetime

from lumetry_core.access.model import unauthenticated
from lumetry_core.hostagents.processes import (
    KEPT,
    Current,
    Process,
    Seen,
    check_report,
    compare,
    judge_age,
)
from lumetry_core.hostagents.service.monitoring import extend
from lumetry_core.hostagents.service.relays import find_relay
from lumetry_core.hostagents.store import agents as agent_store
from lumetry_core.hostagents.store import processes as store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found


async def report_processes(
    tx: Transaction, caller: Caller, collect_time: datetime | None, processes: Sequence[Process], faults: Faults, now: datetime
) -> int:
    """Replaces the newest report of the calling agent, and answers how many processes were taken. Not audited, as machines repeat it.

    Args:
        collect_time: When they were looked at; required.
        processes: The whole report.
        faults: What was wrong with its form.

    Fails with UNAUTHENTICATED, RELAY_REQUIRED, AGENT_DISABLED, VALIDATION_FAILED.
    """
    organization_id, agent_id = caller.organization_id, caller.agent_id or 0
    agent = (await agent_store.find_agents(tx, organization_id, [agent_id], lock=True)).get(agent_id)
    if agent is None or agent.revoke_time is not None:
        raise unauthenticated()
    await find_relay(tx, caller, agent.required_collector_id)
    if not agent.is_enabled:
        raise LumetryError(Reason.AGENT_DISABLED, "The agent is disabled; it may send nothing but heartbeats.")
    checked = check_report(collect_time, processes, faults)
    report = await store.find_report(tx, organization_id, agent_id)
    stored = {entry.executable: entry for entry in await store.list_entries(tx, organization_id, agent_id)}
    update = compare(stored, None if report is None else report.receive_time, checked, now)
    await store.delete_entries(tx, organization_id, agent_id, update.forgotten)
    await store.write_entries(tx, organization_id, agent_id, update.written)
    await store.write_report(tx, organization_id, agent_id, checked, collect_time or now, now)
    await extend(tx, agent, update.appeared, now)
    return len(checked)


async def list_inventory(tx: Transaction, organization_id: int, agent_id: int, now: datetime) -> list[Seen]:
    """What was seen on the host of an agent in the last week, ascending by executable. Fails with NOT_FOUND."""
    if agent_id not in await agent_store.find_agents(tx, organization_id, [agent_id]):
        raise not_found("Agent", agent_id)
    report = await store.find_report(tx, organization_id, agent_id)
    if report is None:
        return []
    seen = [judge_age(entry, report.receive_time, now) for entry in await store.list_entries(tx, organization_id, agent_id)]
    return [each for each in seen if each.last_seen_time > now - KEPT]


async def list_observed(tx: Transaction, organization_id: int, agent_id: int) -> list[Current]:
    """What the newest report of an agent says of each executable, ascending."""
    return await store.list_current(tx, organization_id, agent_id)


async def find_silent(tx: Transaction, now: datetime) -> list[tuple[int, int]]:
    """Organization and number of the agents of all organizations that have not reported for a week."""
    return await store.list_silent(tx, now - KEPT)


async def forget_report(tx: Transaction, organization_id: int, agent_id: int) -> None:
    """Forgets all that an agent reported."""
    await store.delete_report(tx, organization_id, agent_id)
