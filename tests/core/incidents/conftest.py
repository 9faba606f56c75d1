"""Callers, and ways to read what incidents look like after the work is done."""

from collections.abc import Awaitable, Callable

import pytest

from lumetry_core.incidents.model import Incident
from lumetry_core.incidents.service.reading import IncidentQuery, list_incident_timeline, search_incidents
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.database import Database
from tests.core.incidents.building import ORGANIZATION

ReadIncidents = Callable[[], Awaitable[list[Incident]]]
ReadTimeline = Callable[[int], Awaitable[list[tuple[str, str, int | None]]]]


@pytest.fixture
def caller() -> Caller:
    """A person who may do everything here."""
    return Caller(
        organization_id=ORGANIZATION,
        kind=CredentialKind.INTERACTIVE,
        user_id=3,
        user_name="anna",
        permissions=frozenset(Permission),
        request_id="request-1",
    )


@pytest.fixture
def read_incidents(database: Database, caller: Caller) -> ReadIncidents:
    """All incidents of the organization, oldest number first."""

    async def read() -> list[Incident]:
        async with database.read() as tx:
            found = await search_incidents(tx, caller, IncidentQuery(limit=5000))
        return sorted(found, key=lambda incident: incident.id)

    return read


@pytest.fixture
def read_timeline(database: Database, caller: Caller) -> ReadTimeline:
    """Type, source type and source of each entry of an incident's timeline."""

    async def read(incident_id: int) -> list[tuple[str, str, int | None]]:
        async with database.read() as tx:
            entries = await list_incident_timeline(tx, caller, incident_id)
        return [(entry.entry.entry_type, entry.entry.source_type, entry.entry.source_id) for entry in entries]

    return read
