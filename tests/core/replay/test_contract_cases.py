"""The faults that contract cases show are those that the core finds."""

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from lumetry.replay.v1 import replay_service_pb2 as pb
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.replay.service import scene
from lumetry_core.replay.service.scene import read_scene
from lumetry_core.replay.settings import Settings
from lumetry_core.rules import service as rules
from lumetry_core.rules.draft import RuleDraft, StrategyDraft
from lumetry_core.rules.rpc import decode_draft
from lumetry_core.runtime.errors import Faults, LumetryError
from lumetry_core.runtime.timestamps import decode_time
from tests.pipeline.plant import Plant, person

FOLDER = Path(__file__).parents[2] / "contract" / "lumetry" / "post-api-rules-preview"
KEYS = ("cpu", "logins", "transfers")


def refused_bodies() -> dict[str, Any]:
    """The cases in which the core refuses a preview, by name."""
    cases = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
    return {name: case for name, case in cases.items() if "failure" in case["given"].get("PreviewRule", {})}


CASES = refused_bodies()


async def test_faults_of_cases_are_those_of_the_core(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each refused body is refused by the real verb with the very faults, in their order; a bound of points is tried with fewer of them."""
    for key in KEYS:
        await plant.send(key, *((-60.0 * minute, 1.0) for minute in range(6)), host="a")
    taken = RuleDraft(name="taken", flat=StrategyDraft(metric_key="cpu", type="Static", direction="Above", static_upper=90.0))
    async with plant.database.write() as tx:
        await rules.create(tx, person(), taken, plant.clock.now())
    found = {}
    for name, case in CASES.items():
        monkeypatch.setattr(scene, "MAX_POINTS", {"too-many-points": 5, "too-many-cycles": 40_000}.get(name, 50_000))
        request = json_format.ParseDict(case["rpc"]["request"], pb.PreviewRuleRequest())
        faults = Faults()
        start = decode_time(request.start_time, "from", faults) if request.HasField("start_time") else None
        end = decode_time(request.end_time, "to", faults) if request.HasField("end_time") else None
        draft = decode_draft(request.definition)
        with pytest.raises(LumetryError) as failure:
            async with plant.database.read() as tx:
                await read_scene(tx, person(), draft, start, end, Settings(60, OrganizationSettings()), plant.clock.now())
        found[name] = [{"path": fault.path, "message": fault.message} for fault in failure.value.faults]
    shown = {name: case["given"]["PreviewRule"]["failure"]["faults"] for name, case in CASES.items()}
    assert json.loads(json.dumps(found).replace("more than 5 points", "more than 50000 points").replace("40000", "50000")) == shown
