"""Why an incident has the members that it has, as it was decided when they joined (contract lumetry 19.4)."""

from dataclasses import dataclass

from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.service.reading import find_alerts, find_paths
from lumetry_core.incidents.keys import CorrelationKey, key_of
from lumetry_core.incidents.model import Incident, JoinReason, Member
from lumetry_core.incidents.service.reading import get_incident
from lumetry_core.incidents.store import members as member_store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.topology.model import PathNode


@dataclass(frozen=True, slots=True)
class ExplainedMember:
    """A membership with what the alert affected when it opened."""

    member: Member
    alert: Alert
    key: CorrelationKey | None
    path: tuple[PathNode, ...]


@dataclass(frozen=True, slots=True)
class IncidentExplanation:
    """An incident and its present and past members in order of joining."""

    incident: Incident
    members: tuple[ExplainedMember, ...]


async def explain_incident(tx: Transaction, caller: Caller, incident_id: int) -> IncidentExplanation:
    """Tells why each alert is or was a member; those past their retention are left out. Fails with NOT_FOUND."""
    incident = await get_incident(tx, caller, incident_id)
    members = await member_store.list_members(tx, caller.organization_id, incident_id)
    ids = {member.alert_id for member in members}
    alerts = {alert.id: alert for alert in await find_alerts(tx, caller.organization_id, ids)}
    paths = await find_paths(tx, caller.organization_id, ids)
    ordered = sorted(members, key=lambda one: (one.join_time, one.joining.reason is not JoinReason.OPENED, one.alert_time, one.alert_id))
    explained = (
        ExplainedMember(member, alerts[member.alert_id], key_of(alerts[member.alert_id]), paths.get(member.alert_id, ()))
        for member in ordered
        if member.alert_id in alerts
    )
    return IncidentExplanation(incident, tuple(explained))
