"""The faults that contract cases show are those that the core finds."""

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from lumetry.metricsources.v1 import metric_source_service_pb2 as pb
from lumetry_core.metricsources.rpc import decode_draft
from lumetry_core.runtime.errors import LumetryError
from tests.core.metricsources.building import World, changed

FOLDER = Path(__file__).parents[2] / "contract" / "lumetry"


def refused(endpoint: str, rpc: str) -> dict[str, Any]:
    """The cases in which the core refuses a body, by name."""
    cases = {path.stem: json.loads(path.read_text()) for path in sorted((FOLDER / endpoint).glob("*.json"))}
    return {name: case for name, case in cases.items() if "faults" in case["given"].get(rpc, {}).get("failure", {})}


def sent(name: str, endpoint: str) -> Any:
    """The source that a case sends to the core."""
    case = json.loads((FOLDER / endpoint / f"{name}.json").read_text())
    return decode_draft(json_format.ParseDict(case["rpc"]["request"]["source"], pb.MetricSourceDraft()))


async def test_faults_of_cases_are_those_of_the_core(world: World) -> None:
    """Each refused body is refused by the real verb with the very faults, in their order."""
    made = await world.create(changed(sent("created", "post-api-metric-sources"), name="Prometheus"))
    creations = refused("post-api-metric-sources", "CreateMetricSource")
    updates = refused("put-api-metric-sources-id", "UpdateMetricSource")
    assert (len(creations), len(updates)) == (5, 1)
    for name, case in creations.items():
        with pytest.raises(LumetryError) as failure:
            await world.create(sent(name, "post-api-metric-sources"))
        assert told(failure.value) == case["given"]["CreateMetricSource"]["failure"]["faults"]
    for name, case in updates.items():
        with pytest.raises(LumetryError) as failure:
            await world.update(made.id, sent(name, "put-api-metric-sources-id"))
        assert told(failure.value) == case["given"]["UpdateMetricSource"]["failure"]["faults"]


def told(error: LumetryError) -> list[dict[str, str]]:
    """Faults as cases write them."""
    return [{"path": fault.path, "message": fault.message} for fault in error.faults]
