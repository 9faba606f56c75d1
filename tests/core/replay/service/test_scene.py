"""Previews over points of a real pipeline."""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.baselines.drafts import ExclusionDraft
from lumetry_core.baselines.model import ExclusionKind
from lumetry_core.baselines.service import exclusions
from lumetry_core.metrics.service import inbox
from lumetry_core.metrics.settings import Settings as MetricSettings
from lumetry_core.metrics.worker import Maintainer, Sealer
from lumetry_core.replay.preview import Findings, replay_scene
from lumetry_core.replay.service import scene as scenes
from lumetry_core.replay.service.scene import expected_span, read_scene
from lumetry_core.replay.settings import Settings
from lumetry_core.rules.draft import LevelDraft, RuleDraft, StrategyDraft
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from lumetry_core.violations.model import NewViolation
from tests.pipeline.plant import ORGANIZATION, Plant, person

SETTINGS = Settings(60, OrganizationSettings())
WEEK = 7 * 86_400
DAY = 86_400
STATIC = StrategyDraft(metric_key="load", type="Static", direction="Above", static_upper=10.0)
DYNAMIC = StrategyDraft(metric_key="load", type="Dynamic", threshold_mode="Stddev", stddev_multiplier=3.0, direction="Both")


async def preview(plant: Plant, draft: RuleDraft, start: float | None = None, end: float | None = None, **fields: Any) -> Findings:
    """A preview between seconds after the present."""
    moments = [None if at is None else plant.start + timedelta(seconds=at) for at in (start, end)]
    async with plant.database.read() as tx:
        scene = await read_scene(tx, fields.pop("caller", person()), draft, *moments, SETTINGS, plant.clock.now())
    return replay_scene(scene)


async def faults_of(plant: Plant, draft: RuleDraft, start: float | None = None, end: float | None = None) -> tuple[Fault, ...]:
    with pytest.raises(LumetryError) as raised:
        await preview(plant, draft, start, end)
    assert raised.value.reason is Reason.VALIDATION_FAILED
    return raised.value.faults


def shown_alerts(plant: Plant, found: Findings) -> list[tuple[str | None, float, float | None, str, str, int]]:
    """As `Plant.shown_alerts` shows stored ones."""
    start = plant.start.timestamp()
    return [
        (
            alert.dimension_key,
            alert.start / 1000 - start,
            None if alert.end is None else alert.end / 1000 - start,
            alert.severity.value,
            alert.trigger.reason,
            alert.violation_count,
        )
        for alert in found.alerts
    ]


async def test_preview_of_a_static_rule_writes_nothing(plant: Plant) -> None:
    """Stored points, evaluated or not, within the range, both ends included; nothing is recorded."""
    await plant.send("load", (-100_000, 99.0), (-86_400, 11.0), (-300, 12.0), (-120, 5.0), (0, 5.0), (1, 99.0), host="a")
    found = await preview(plant, RuleDraft(flat=STATIC, levels=(LevelDraft(severity="Warning", recovery_minutes=1),)))
    assert (found.points.values.tolist(), found.points.ranks.tolist()) == ([11.0, 12.0, 5.0, 5.0], [0, 0, -1, -1])
    assert shown_alerts(plant, found) == [("host=a", -86_400.0, -120.0, "Warning", "1 violation within 1 minute", 2)]
    await plant.run()
    assert await plant.alerts() == []
    assert await plant.violations() == []


async def test_preview_of_members_and_scope(plant: Plant) -> None:
    """Points ascend by time, then member; a scope keeps its series and whatever else feeds the same members."""
    await plant.send("load", (-60, 1.0), (0, 12.0), **{"host.id": "b"})
    await plant.send("load", (-60, 2.0), (0, 13.0), **{"host.id": "a"})
    everything = await preview(plant, RuleDraft(flat=STATIC))
    assert (everything.dimension_keys, everything.points.slots.tolist()) == (["host.id=a", "host.id=b"], [0, 1, 0, 1])
    assert [(one.dimension_key, one.start) for one in everything.alerts] == [
        ("host.id=a", everything.end_ms),
        ("host.id=b", everything.end_ms),
    ]
    scoped = await preview(plant, RuleDraft(flat=replace(STATIC, scope={"host.id": "b"})))
    assert (scoped.dimension_keys, scoped.points.values.tolist()) == (["host.id=b"], [1.0, 12.0])
    nothing = await preview(plant, RuleDraft(flat=replace(STATIC, scope={"host.id": "c"})))
    assert (nothing.dimension_keys, len(nothing.points), nothing.alerts) == ([], 0, [])


async def test_preview_learns_the_look_back_window(plant: Plant) -> None:
    """Points before the range are learned, not judged, but those in incident windows; what comes goes on being learned."""
    points = [(-week * WEEK + minute * 60, 10.0 + minute % 2) for week in (3, 2, 1) for minute in range(-3, 3)]
    await plant.send("load", *points, (-2 * WEEK - 200, 500.0), (-5 * WEEK, 1e6), host="a")
    moved = plant.start - timedelta(weeks=2, seconds=210)
    window = ExclusionDraft(start_time=moved, end_time=moved + timedelta(seconds=20), reason="move")
    async with plant.database.write() as tx:
        await exclusions.create_exclusion(tx, person(), ExclusionKind.INCIDENT_WINDOW, window, plant.clock.now())
    await plant.send("load", (0, 10.5), (60, 14.0), host="a")
    found = await preview(plant, RuleDraft(flat=DYNAMIC, window_minutes=5), 0, 60)
    assert found.points.expected.tolist() == pytest.approx([10.4, 10.5], abs=0.11)
    assert found.points.uppers.max() < 13
    assert [(one.new.actual_value, one.new.baseline_confidence) for one in found.violations] == [(14.0, "Medium")]


async def test_preview_leaves_recorded_violations_out(plant: Plant) -> None:
    """A point of the past that breached a live rule is not learned."""
    await plant.send("load", (-3 * WEEK - 3600, 1.0), host="a")
    await plant.run()
    await plant.add_rule("load")
    history = [(-WEEK + minute * 60, 5.0) for minute in range(4)]
    await plant.send("load", *history, (-WEEK + 30, 999.0), (0, 6.0), host="a")
    await plant.run()
    found = await preview(
        plant, RuleDraft(flat=replace(DYNAMIC, threshold_mode="Envelope", tolerance_percent=10.0), window_minutes=9), 0, 0
    )
    assert (found.points.expected.tolist(), found.points.ranks.tolist()) == ([5.0], [0])


async def test_preview_of_a_compound_rule(plant: Plant) -> None:
    """One point for each cycle, of the first condition, which sees points from before the range; both conditions must be breached."""
    await plant.send("load", (-210, 12.0), (-30, 12.0), (30, 5.0), host="a")
    await plant.send("errors", (-200, 1.0), (-20, 9.0), (30, 9.0), host="a")
    errors = replace(STATIC, metric_key="errors", static_upper=5.0)
    draft = RuleDraft(conditions=(STATIC, errors), window_minutes=2, levels=(LevelDraft(severity="Critical", recovery_minutes=0),))
    found = await preview(plant, draft, -180, 60)
    at = found.points.times / 1000 - plant.start.timestamp()
    assert list(zip(at.tolist(), found.points.values.tolist(), found.points.ranks.tolist(), strict=True)) == [
        (-180, 12.0, -1),
        (-120, 12.0, -1),
        (0, 12.0, 1),
        (60, 5.0, -1),
    ]
    assert shown_alerts(plant, found) == [(None, 0.0, 60.0, "Critical", "1 violation within 1 minute", 1)]
    assert [(one.new.metric_key, one.new.actual_value) for one in found.violations] == [("load", 12.0)]


async def test_preview_names_every_fault(plant: Plant) -> None:
    """Faults of the rule and of the range together; a name may be missing, not blank and not another rule's."""
    await plant.send("load", (-60, 1.0), host="a")
    await plant.run()
    rule = await plant.add_rule("load")
    bad = replace(STATIC, metric_key="nothing", static_upper=None)
    assert await faults_of(plant, RuleDraft(name=rule.name, flat=bad, baseline_profile_id=99), 60, 0) == (
        Fault("from", "must not be after to"),
        Fault("staticUpper", "is needed for Above"),
        Fault("name", "is the name of another rule"),
        Fault("baselineProfileId", "baseline profile 99 does not exist"),
        Fault("metricId", "metric nothing does not exist"),
    )
    assert await faults_of(plant, RuleDraft(name=" ", flat=STATIC), -32 * DAY, 0) == (
        Fault("from", "must be at most 31 days before to"),
        Fault("name", "must have between 1 and 200 characters"),
    )
    assert (await preview(plant, RuleDraft(flat=STATIC), -31 * DAY, 0)).start_ms == round(plant.start.timestamp() - 31 * DAY) * 1000


async def test_preview_has_a_bound(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """More points or cycles than an answer may hold are refused, of all conditions together."""
    monkeypatch.setattr(scenes, "MAX_POINTS", 6)
    await plant.send("load", *((-60 * minute, 1.0) for minute in range(600)), host="a")
    await plant.send("errors", (-60, 1.0), (0, 1.0), host="a")
    too_many = (Fault("from", "the range holds more than 6 points; ask for a shorter one"),)
    assert await faults_of(plant, RuleDraft(flat=STATIC)) == too_many
    assert len((await preview(plant, RuleDraft(flat=STATIC), -300, 0)).points) == 6
    both = RuleDraft(conditions=(STATIC, replace(STATIC, metric_key="errors")), window_minutes=1)
    assert await faults_of(plant, both, -240, 0) == too_many
    assert await faults_of(plant, both, -60, 300) == (Fault("from", "the range holds more than 6 cycles; ask for a shorter one"),)


async def test_preview_sees_one_organization(plant: Plant) -> None:
    """Another organization's metric does not exist."""
    await plant.send("load", (-60, 1.0), host="a")
    with pytest.raises(LumetryError) as raised:
        await preview(plant, RuleDraft(flat=STATIC), caller=person(ORGANIZATION + 1))
    assert raised.value.faults == (Fault("metricId", "metric load does not exist"),)


def test_expected_span_reads_on_by_the_rate() -> None:
    """Nothing found lets the reading go on far; many points let it go on by little."""
    assert (expected_span(0, 10), expected_span(25_000, 10), expected_span(50_000, 10)) == (500_000, 20, 10)


@pytest.mark.parametrize("seed", range(4))
async def test_preview_equals_live(plant: Plant, seed: int) -> None:
    """What was recorded live, in batches of any size and restarts in between, is what a preview of the same rules says afterwards."""
    rng = random.Random(seed)
    await plant.send("load", (-4 * WEEK, 10.0), **{"host.id": "a"})
    await plant.run()
    levels = (
        LevelDraft(severity="Warning", trigger_count=2, trigger_window_minutes=3, recovery_minutes=2, recovery_stddev_multiplier=1.0),
        LevelDraft(severity="Critical", stddev_multiplier=3.0, recovery_minutes=3),
    )
    flat = replace(DYNAMIC, stddev_multiplier=1.5)
    window = rng.choice([4, 30])
    await plant.add_rule("load", *levels, flat=flat, window_minutes=window)
    points = []
    for week in (3, 2, 1, 0):
        for minute in range(25):
            at = -week * WEEK + minute * 60 - 1500
            points += [(host, at + rng.randrange(60), rng.gauss(10, 1) + 6 * (rng.random() < 0.1)) for host in "ab"]
    points.sort(key=lambda point: point[1])
    while points:
        size = rng.randrange(1, 40)
        await plant.send_mixed([("load", {"host.id": host}, at, value) for host, at, value in points[:size]])
        points = points[size:]
        if rng.random() < 0.5:
            await plant.run()
        if rng.random() < 0.2:
            plant.restart()
    await plant.run()
    found = await preview(plant, RuleDraft(flat=flat, window_minutes=window, levels=levels), -4 * WEEK, 0)
    shown = shown_alerts(plant, found)
    assert shown
    assert sorted(shown, key=repr) == sorted(await plant.shown_alerts(), key=repr)
    replayed = [one.new for one in found.violations]
    assert sorted(map(describe, replayed)) == sorted(map(describe, await plant.violations()))


def describe(one: NewViolation) -> tuple[datetime, str, float, str, float | None, float | None, float | None, str | None]:
    """What must be the same of a violation, stored or not."""
    return (
        one.time,
        one.dimension_key or "",
        one.actual_value,
        one.severity,
        one.expected_value,
        one.lower_threshold,
        one.upper_threshold,
        one.baseline_confidence,
    )


async def test_preview_of_roll_ups_of_extreme_values(plant: Plant) -> None:
    """Where sums are too large for a number, the mean of a roll-up still is one."""
    await plant.send("load", (-3600, 1.7e308), (-3590, 1.7e308), host="a")
    await plant.run()
    async with plant.database.write() as tx:
        await inbox.acquire(tx, "core-1", plant.clock.now())
    plant.clock.advance(minutes=5)  # type: ignore[attr-defined]
    assert await Sealer(plant.database, "core-1", MetricSettings(seal_points=1, seal_age_seconds=0)).tick(plant.clock.now())
    plant.clock.advance(days=40)  # type: ignore[attr-defined]
    await plant.send("load", (40 * DAY, 1.0), host="a")
    maintainer = Maintainer(plant.database, "core-1", MetricSettings())
    while await maintainer.tick(plant.clock.now()):
        pass
    found = await preview(plant, RuleDraft(flat=STATIC), -7200, 0)
    assert found.points.values.tolist() == [1.7e308]
    assert [one.new.actual_value for one in found.violations] == [1.7e308]
