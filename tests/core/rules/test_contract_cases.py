"""The faults that contract cases show are those that the core finds."""

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from lumetry.rules.v1 import rule_pb2
from lumetry_core.rules import service
from lumetry_core.rules.rpc import decode_draft
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError
from tests.core.rules.conftest import Build

pytestmark = pytest.mark.usefixtures("metrics")

CALLER = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=42)
FOLDER = Path(__file__).parents[2] / "contract" / "lumetry" / "post-api-rules"


def refused_bodies() -> dict[str, Any]:
    """The cases in which the core refuses a rule, by name."""
    cases = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
    return {name: case for name, case in cases.items() if "failure" in case["given"].get("CreateRule", {})}


CASES = refused_bodies()


async def test_faults_of_cases_are_those_of_the_core(database: Database, clock: Clock, draft: Build) -> None:
    """Each refused body is refused by the real verb with the very faults, in their order."""
    async with database.write() as tx:
        await service.create(tx, CALLER, draft(name="taken"), clock.now())
    found = {}
    for name, case in CASES.items():
        definition = json_format.ParseDict(case["rpc"]["request"]["definition"], rule_pb2.RuleDefinition())
        with pytest.raises(LumetryError) as failure:
            async with database.write() as tx:
                await service.create(tx, CALLER, decode_draft(definition), clock.now())
        found[name] = [{"path": fault.path, "message": fault.message} for fault in failure.value.faults]
    assert found == {name: case["given"]["CreateRule"]["failure"]["faults"] for name, case in CASES.items()}
