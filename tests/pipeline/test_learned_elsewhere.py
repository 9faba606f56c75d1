"""What the evaluator learns serves those that judge beside it: conditions of compound rules, and fleets."""

import numpy as np

from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.alerts.model import SourceKind
from lumetry_core.baselines.service.profiles import claim_profile, find_profile
from lumetry_core.baselines.service.reading import read_learned
from lumetry_core.evaluation.compound_worker import CompoundJudge
from lumetry_core.evaluation.fleet_worker import FleetTicker
from lumetry_core.evaluation.model import Settings
from lumetry_core.metrics.draft import DeviationDraft, FleetDraft, MetricDraft
from lumetry_core.metrics.service import definitions
from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.rules.draft import StrategyDraft
from tests.pipeline.plant import ORGANIZATION, Plant, level, person

WEEK = 7 * 86_400
MINUTE = 60


async def send_weeks(plant: Plant, key: str, host: str, value: float) -> None:
    """Three weeks of a value around the same time, two minutes apart."""
    points = [(-weeks * WEEK + minute * MINUTE, value + minute % 2) for weeks in (3, 2, 1) for minute in range(-2, 12)]
    await plant.send_mixed([(key, {"host.id": host}, seconds, value) for seconds, value in points])
    await plant.run()


async def pass_minutes(plant: Plant, count: int) -> None:
    plant.clock.advance(minutes=count)  # type: ignore[attr-defined]
    await plant.run()


async def test_compound_condition_goes_by_what_the_evaluator_learned(plant: Plant) -> None:
    """A rule over a learned and a fixed condition opens by the learned limits of the member that breaches."""
    await send_weeks(plant, "latency", "a", 10.0)
    await plant.send("load", (-60, 95.0))
    await plant.run()
    learned = StrategyDraft(metric_key="latency", type="Dynamic", threshold_mode="Percentage", direction="Above", tolerance_percent=50.0)
    fixed = StrategyDraft(metric_key="load", type="Static", direction="Above", static_upper=90.0)
    rule = await plant.add_rule("", level(recovery_minutes=1), name="slow and busy", conditions=(learned, fixed))
    await pass_minutes(plant, 1)
    judge = CompoundJudge(plant.database, "core-1", Settings())
    await judge.tick(plant.clock.now())
    for minute, latency in ((1, 14.0), (2, 30.0)):
        await plant.send_mixed([("latency", {"host.id": "a"}, minute * MINUTE + 30, latency)])
        await plant.send("load", (minute * MINUTE + 30, 95.0))
        await pass_minutes(plant, 1)
        await judge.tick(plant.clock.now())
    (violation,) = await plant.violations()
    assert (violation.rule_id, violation.metric_key, violation.actual_value, violation.dimension_key) == (rule.id, "latency", 30.0, None)
    assert violation.expected_value is not None
    assert 10.0 < violation.expected_value < 11.0
    (alert,) = await plant.alerts()
    assert (alert.rule_id, alert.metric_key) == (rule.id, "latency")


async def test_fleet_compares_members_with_what_the_evaluator_learned(plant: Plant) -> None:
    """A member at twice its own norm is found although its peers do the same, and what is found is not learned."""
    for host in ("a", "b"):
        await send_weeks(plant, "cpu", host, 40.0)
    async with plant.database.write() as tx:
        metric = (await find_metrics(tx, ORGANIZATION, ["cpu"]))["cpu"]
        fleet = FleetDraft(analyses=("baseline_deviation",), baseline=DeviationDraft(open_ticks=2, close_ticks=2))
        draft = MetricDraft(metric_key="cpu", display_name="CPU", metric_mode="multidimensional", dimension_keys=("host.id",), fleet=fleet)
        await definitions.update(tx, person(), metric.id, draft, find_profile, claim_profile, plant.clock.now())
    await pass_minutes(plant, 0)
    ticker = FleetTicker(plant.database, "core-1", MINUTE, OrganizationSettings())
    for minute in range(1, 4):
        points = [("cpu", {"host.id": host}, minute * MINUTE - 10, 80.0 + minute) for host in ("a", "b")]
        await plant.send_mixed(points)
        plant.clock.moment = plant.start.replace(minute=minute, second=3)  # type: ignore[attr-defined]
        await plant.run()
        await ticker.tick(plant.clock.now())
    alerts = await plant.alerts()
    assert [(alert.source_kind, alert.rule_id, alert.dimension_key) for alert in alerts] == [
        (SourceKind.FLEET_DETECTOR, None, "host.id=a"),
        (SourceKind.FLEET_DETECTOR, None, "host.id=b"),
    ]
    assert alerts[0].trigger_reason.startswith("Baseline deviation for 2 ticks: 82 vs expected 40")
    await plant.send_mixed([("cpu", {"host.id": "a"}, 10 * MINUTE, 41.0)])
    await pass_minutes(plant, 11)  # after which what was learned is saved
    await pass_minutes(plant, 11)
    minutes = np.array([482])
    async with plant.database.read() as tx:
        baseline = await read_learned(tx, ORGANIZATION, 0, metric.id, minutes, 1)
    assert baseline is not None
    member = baseline.learned.find_member("host.id=a")
    assert baseline.learned.pool(np.array([member]), minutes, 1).maxima.tolist() == [41.0]
