"""What an import says."""

from pathlib import Path

import pytest

from lumetry_core.importing.applying import Fate, Result
from lumetry_core.importing.gatus import read_configuration
from lumetry_core.importing.plan import EndpointPlan, HeartbeatPlan, Left, Pace, Plan
from lumetry_core.importing.report import spell_report, to_document
from lumetry_core.importing.uptime_kuma import read_backup

SAMPLES = Path(__file__).parent / "samples"
SHOP = EndpointPlan(
    name="Shop\x1b[2J", endpoint_type="http", target="https://shop.example:8443/s3cr3t?k=s3cr3t", pace=Pace(30, 10, 3, 2), remarks=("a",)
)
BACKUP = HeartbeatPlan(name="Backup", interval=3600, grace=60, remarks=("call it",))


def test_spell_report() -> None:
    """What was made, what was there, what was refused and what has no counterpart, each under its heading; nothing obeys a terminal."""
    plan = Plan("Gatus", [SHOP, BACKUP, SHOP], [Left("Router (icmp)", "no pings")], ["Mind the gap."])
    results = [Result(BACKUP, Fate.CREATED, "/ping/1"), Result(SHOP, Fate.EXISTING), Result(SHOP, Fate.REFUSED, "target: no")]
    assert spell_report(plan, results) == [
        "Gatus: 3 to import, 1 without counterpart",
        "",
        "Created (1)",
        "  heartbeat    Backup  every 3600 s, 60 s of grace",
        "               - /ping/1",
        "               - call it",
        "",
        "There already, left as it is (1)",
        "  endpoint     Shop?[2J  https://shop.example:8443, every 30 s",
        "",
        "Refused by the server (1)",
        "  endpoint     Shop?[2J  https://shop.example:8443, every 30 s",
        "               - target: no",
        "               - a",
        "",
        "Not imported (1)",
        "  Router (icmp): no pings",
        "",
        "To know",
        "  Mind the gap.",
    ]


@pytest.mark.parametrize(
    "plan",
    [
        read_backup((SAMPLES / "uptime_kuma.json").read_bytes()),
        read_configuration((SAMPLES / "gatus.yaml").read_bytes(), {"SLACK_TOKEN": "s3cr3t", "HOOK_TOKEN": "s3cr3t", "UNKNOWN_HOST": "x"}),
    ],
    ids=["uptime-kuma", "gatus"],
)
@pytest.mark.parametrize("fate", list(Fate))
def test_report_tells_no_secret(plan: Plan, fate: Fate) -> None:
    """No report, for people or programs, has anything of an address, header or credential that opens something."""
    results = [Result(item, fate) for item in plan.items]
    assert "s3cr3t" not in "\n".join(spell_report(plan, results)) + str(to_document(plan, results))
