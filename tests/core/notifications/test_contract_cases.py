"""The faults that contract cases show are those that the core finds."""

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from lumetry.notifications.v1 import integration_service_pb2, profile_service_pb2
from lumetry_core.notifications.rpc import integrations as integration_rpc
from lumetry_core.notifications.rpc import profiles as profile_rpc
from lumetry_core.notifications.service.integrations import create_integration
from lumetry_core.notifications.service.profiles import create_profile
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError
from tests.conftest import FakeClock
from tests.core.notifications.integrating import CALLER, RULES, draft

FOLDER = Path(__file__).parents[2] / "contract" / "lumetry"


def refused(endpoint: str, rpc: str) -> dict[str, Any]:
    """The cases in which the core refuses a body, by name."""
    cases = {path.stem: json.loads(path.read_text()) for path in sorted((FOLDER / endpoint).glob("*.json"))}
    return {name: case for name, case in cases.items() if "faults" in case["given"].get(rpc, {}).get("failure", {})}


async def test_faults_of_cases_are_those_of_the_core(database: Database, clock: FakeClock) -> None:
    """Each refused body is refused by the real verb with the very faults, in their order."""
    integrations = refused("post-api-alerting-integrations", "CreateIntegration")
    profiles = refused("post-api-alerting-profiles", "CreateAlertingProfile")
    assert (len(integrations), len(profiles)) == (6, 3)
    async with database.write() as tx:
        for place in range(4):
            made = await create_integration(tx, CALLER, draft(name=f"I{place}"), RULES, clock.now())
        sent = profile_service_pb2.AlertingProfileDefinition(name="NIGHT", integration_ids=[made.id])
        await create_profile(tx, CALLER, profile_rpc.decode_draft(sent), clock.now())
    for case in integrations.values():
        wanted = json_format.ParseDict(case["rpc"]["request"]["definition"], integration_service_pb2.IntegrationDefinition())
        with pytest.raises(LumetryError) as failure:
            async with database.write() as tx:
                await create_integration(tx, CALLER, integration_rpc.decode_draft(wanted), RULES, clock.now())
        assert told(failure.value) == case["given"]["CreateIntegration"]["failure"]["faults"]
    for case in profiles.values():
        definition = json_format.ParseDict(case["rpc"]["request"]["definition"], profile_service_pb2.AlertingProfileDefinition())
        with pytest.raises(LumetryError) as failure:
            async with database.write() as tx:
                await create_profile(tx, CALLER, profile_rpc.decode_draft(definition), clock.now())
        assert told(failure.value) == case["given"]["CreateAlertingProfile"]["failure"]["faults"]


def told(error: LumetryError) -> list[dict[str, str]]:
    """Faults as cases write them."""
    return [{"path": fault.path, "message": fault.message} for fault in error.faults]
