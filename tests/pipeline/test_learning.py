"""Dynamic rules on real databases: learning from what is stored, going on from there, and restarts, crashes and rebuilds in between."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from statistics import fmean, pstdev
from typing import Any

import numpy as np
import pytest

from lumetry_core.baselines.drafts import ExclusionDraft
from lumetry_core.baselines.model import ExclusionKind
from lumetry_core.baselines.service import exclusions, keeping, rebuilds
from lumetry_core.baselines.service.profiles import claim_profile, find_profile
from lumetry_core.baselines.service.states import find_built
from lumetry_core.evaluation.service import chunks
from lumetry_core.metrics.draft import FleetDraft, MetricDraft
from lumetry_core.metrics.service import definitions, inbox
from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.metrics.settings import Settings as MetricSettings
from lumetry_core.metrics.worker import Sealer
from lumetry_core.rules.draft import StrategyDraft
from lumetry_core.rules.model import Direction, Rule, Severity
from lumetry_core.runtime.database import unavailable
from lumetry_core.runtime.errors import LumetryError
from lumetry_core.violations import service as violations
from lumetry_core.violations.model import NewViolation, Violation
from tests.pipeline.plant import ORGANIZATION, Plant, level, person

MINUTE = 60
WEEK = 7 * 86_400
HISTORY = [(-3 * WEEK, 8.0), (-2 * WEEK, 12.0), (-2 * WEEK + 1, 8.0), (-WEEK, 12.0)]
"""Mean 10, deviation 2, at one minute of the week."""


async def watch(plant: Plant, key: str = "load", *, mode: str = "Percentage", parameter: float = 50.0, **fields: Any) -> Rule:
    """A dynamic rule for both directions that alerts at once."""
    flat = StrategyDraft(
        metric_key=key,
        type="Dynamic",
        threshold_mode=mode,
        direction="Both",
        stddev_multiplier=parameter if mode == "Stddev" else None,
        tolerance_percent=None if mode == "Stddev" else parameter,
    )
    return await plant.add_rule(key, level(recovery_minutes=5), flat=flat, **fields)


async def feed(plant: Plant, *points: tuple[float, float]) -> None:
    """Sends points one by one and evaluates each."""
    for point in points:
        await plant.send("load", point)
        await plant.run()


def limits_of(violation: Violation) -> tuple[Any, ...]:
    return violation.lower_threshold, violation.expected_value, violation.upper_threshold, violation.baseline_confidence


async def built(plant: Plant, key: str = "load") -> bool:
    async with plant.database.read() as tx:
        metric_id = (await find_metrics(tx, ORGANIZATION, [key]))[key].id
        return bool(await find_built(tx, ORGANIZATION, [(0, metric_id)]))


async def test_learn_from_stored_points_before_the_first_is_judged(plant: Plant) -> None:
    """What is stored is learned when a rule asks for it; points that arrived meanwhile are judged in order."""
    await plant.send("load", *HISTORY)
    await plant.run()
    assert not await built(plant)
    rule = await watch(plant)
    await plant.send("load", (0, 15.0), (30, 16.0))
    await plant.run()
    assert await built(plant)
    (violation,) = await plant.violations()
    assert (plant.seconds(violation.time), violation.actual_value, violation.deviation_percent) == (30, 16.0, 60.0)
    assert limits_of(violation) == (5.0, 10.0, 15.0, "Low")
    (alert,) = await plant.alerts()
    assert (alert.rule_id, alert.trigger_reason) == (rule.id, "1 violation within 1 minute")


async def test_learn_without_any_new_point(plant: Plant) -> None:
    """A baseline is built when a rule asks for it, not only when a point comes."""
    await plant.send("load", *HISTORY)
    await plant.run()
    await watch(plant)
    plant.clock.advance(seconds=2)  # type: ignore[attr-defined]
    await plant.run()
    assert await built(plant)


async def test_learn_from_segments_and_goes_on(plant: Plant) -> None:
    """History lies in segments; later points are learned as they grow old, and judge those of the next weeks."""
    await plant.send("load", *HISTORY[:2])
    await plant.run()
    async with plant.database.write() as tx:
        await inbox.acquire(tx, "core-1", plant.clock.now())
    plant.clock.advance(seconds=1)  # type: ignore[attr-defined]
    assert await Sealer(plant.database, "core-1", MetricSettings(seal_points=1, seal_age_seconds=0)).tick(plant.clock.now())
    await watch(plant)
    await feed(plant, *HISTORY[2:], (0, 16.0))
    (violation,) = await plant.violations()
    assert limits_of(violation) == (5.0, 10.0, 15.0, "Low")


async def test_learn_leaves_late_and_abnormal_points_out(plant: Plant) -> None:
    """What breached, came late or came twice is not learned."""
    await plant.send("load", *HISTORY, (-2 * WEEK + 2, 10.0))
    await plant.run()
    await watch(plant, window_minutes=1)
    await feed(plant, (-WEEK + 1, 99.0), (-WEEK + 600, 10.0), (-WEEK + 2, 14.0), (-WEEK, 13.0), (0, 99.0))
    assert [limits_of(one) for one in await plant.violations()] == [(4.75, 9.5, 14.25, "Low"), (5.0, 10.0, 15.0, "Low")]


async def outcome(plant: Plant) -> tuple[Any, ...]:
    shown = [(plant.seconds(one.time), one.dimension_key, one.actual_value, *limits_of(one)) for one in await plant.violations()]
    return shown, await plant.shown_alerts()


STORY = [
    *((-3000 + minute * MINUTE, 10.0 + minute % 3) for minute in range(40)),
    (-590, 30.0),
    (-500, 11.0),
    (-560, 29.0),
    *((-480 + minute * MINUTE, 10.0 + minute % 4) for minute in range(6)),
    (-60, 40.0),
    (0, 11.0),
]


async def tell(plant: Plant, sizes: list[int], events: list[str]) -> tuple[Any, ...]:
    """Sends the story in batches, with something happening to the process after each."""
    await plant.send("load", (-3600 * 24, 10.0), host="a")
    await plant.run()
    await watch(plant, mode="Stddev", parameter=3.0, window_minutes=60)
    rest = list(STORY)
    for size, event in zip(sizes, events, strict=True):
        batch, rest = rest[:size], rest[size:]
        if batch:
            await plant.send("load", *batch, host="a")
            await plant.run()
        if event == "restart":
            plant.restart()
        elif event == "fold":
            plant.clock.advance(minutes=11)  # type: ignore[attr-defined]
            await plant.run()
    for point in rest:
        await plant.send("load", point, host="a")
    await plant.run()
    return await outcome(plant)


def limits_at(seconds: float) -> tuple[Any, ...]:
    """What the rule should go by: three deviations of what is older than two minutes, within half an hour, and did not breach."""
    minute = (plant_minute := int(seconds // MINUTE)) - 2
    known = [value for at, value in STORY if at // MINUTE < minute and at // MINUTE >= plant_minute - 30 and value < 20]
    mean, sigma = fmean(known), pstdev(known)
    return round(mean - 3 * sigma, 9), round(mean, 9), round(mean + 3 * sigma, 9)


@pytest.mark.parametrize(
    ("sizes", "events"),
    [
        ([50], [""]),
        ([2] * 25, ["restart"] * 25),
        ([7] * 7, ["fold"] * 7),
        ([3, 1, 20, 5, 5, 2, 9], ["fold", "restart", "restart", "fold", "restart", "fold", "restart"]),
    ],
)
async def test_restart_at_any_point_changes_nothing(plant: Plant, sizes: list[int], events: list[str]) -> None:
    """Batches, restarts and savings between them leave limits and alerts as they are."""
    shown, alerts = await tell(plant, sizes, events)
    breaches = [(-590, 30.0), (-560, 29.0), (-60, 40.0)]
    assert [(time, value) for time, _, value, *_ in shown] == breaches
    assert [tuple(round(limit, 9) for limit in row[3:6]) for row in shown] == [limits_at(at) for at, _ in breaches]
    assert [(start, end) for _, start, end, *_ in alerts] == [(-590, -240), (-60, None)]


@pytest.mark.parametrize("failing", ["journal", "fold", "create", "load_hours_of_all", "replace"])
async def test_crash_while_learning_loses_and_doubles_nothing(plant: Plant, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    """A store that fails in the middle of keeping what was learned leaves it as it would be without the fault."""
    calls = {"left": 2}
    original = getattr(keeping, failing)

    async def fails_twice(*args: Any, **kwargs: Any) -> Any:
        if calls["left"]:
            calls["left"] -= 1
            await original(*args, **kwargs)
            raise unavailable()
        return await original(*args, **kwargs)

    await plant.send("load", *HISTORY)
    await plant.run()
    monkeypatch.setattr(keeping, failing, fails_twice)
    await watch(plant)
    async with plant.database.write() as tx:
        await rebuilds.request_rebuild(
            tx,
            ORGANIZATION,
            profile_id=None,
            metric_id=None,
            start_time=plant.start - timedelta(weeks=1, minutes=1),
            end_time=plant.start - timedelta(weeks=1) + timedelta(minutes=1),
            include_violations=False,
            now=plant.clock.now(),
        )
    for point in ((-WEEK + 60, 10.0), (-WEEK + 120, 10.0), (-WEEK + 600, 10.0), (0, 99.0)):
        await plant.send("load", point)
        await persist(plant)
        plant.clock.advance(minutes=11)  # type: ignore[attr-defined]
        await persist(plant)
    (violation,) = await plant.violations()
    assert limits_of(violation) == (5.0, 10.0, 15.0, "Low")
    assert not calls["left"]


async def persist(plant: Plant) -> None:
    """Evaluates, again and again while the store fails."""
    for _ in range(5):
        with suppress(LumetryError):
            await plant.run()


async def exclude(plant: Plant, start: float, end: float) -> int:
    """Declares an incident window."""
    async with plant.database.write() as tx:
        times = {name: plant.start + timedelta(seconds=at) for name, at in (("start_time", start), ("end_time", end))}
        draft = ExclusionDraft(metric_key=None, reason="outage", **times)
        window = await exclusions.create_exclusion(tx, person(), ExclusionKind.INCIDENT_WINDOW, draft, plant.clock.now())
    return window.id


async def limits_after(plant: Plant, seconds: float) -> tuple[Any, ...]:
    """The limits at a time, by a point that is far off."""
    await feed(plant, (seconds, 1000.0))
    return limits_of((await plant.violations())[-1])


async def test_rebuild_when_a_window_comes_and_goes(plant: Plant) -> None:
    """A window over learned time takes its points out of the buckets it touches, and its end brings them back."""
    await plant.send("load", *HISTORY, *((at + 3600, 10.0) for at, _ in HISTORY))
    await plant.run()
    await watch(plant, parameter=10.0)
    assert await limits_after(plant, 0) == (9.0, 10.0, 11.0, "Low")
    window = await exclude(plant, -WEEK - 30, -WEEK + 30)
    await settle(plant)
    await feed(plant, (1, 1000.0))
    assert len(await plant.violations()) == 1
    async with plant.database.write() as tx:
        await exclusions.delete_exclusion(tx, person(), ExclusionKind.INCIDENT_WINDOW, window, plant.clock.now())
    await settle(plant)
    assert await limits_after(plant, 2) == (9.0, 10.0, 11.0, "Low")
    async with plant.database.read() as tx:
        assert await rebuilds.list_rebuilds(tx, ORGANIZATION, 0) == []


async def test_drop_what_nothing_needs(plant: Plant) -> None:
    """A rule that is switched off lets its baseline go; switched on it is learned anew."""
    await plant.send("load", *HISTORY)
    rule = await plant_rule(plant)
    assert await built(plant)
    await change_status(plant, rule, "Disabled")
    assert not await built(plant)
    await change_status(plant, rule, "Active")
    assert await built(plant)


async def plant_rule(plant: Plant) -> Rule:
    await plant.run()
    rule = await watch(plant)
    await settle(plant)
    return rule


async def change_status(plant: Plant, rule: Rule, status: str) -> None:
    flat = StrategyDraft(metric_key="load", type="Dynamic", threshold_mode="Percentage", direction="Both", tolerance_percent=50.0)
    await plant.change_rule(rule, flat=flat, status=status)
    await settle(plant)


async def settle(plant: Plant) -> None:
    plant.clock.advance(seconds=2)  # type: ignore[attr-defined]
    await plant.run()


async def test_learn_across_changes_of_rules(plant: Plant) -> None:
    """Points that wait to be learned when any rule changes are learned all the same, and saved with the others."""
    await plant.send("load", *HISTORY[:3])
    await plant.send("other", (-WEEK, 1.0))
    await plant.run()
    await watch(plant)
    await feed(plant, HISTORY[3])
    await plant.add_rule("other", level())
    plant.clock.advance(minutes=11)  # type: ignore[attr-defined]
    await plant.run()
    plant.clock.advance(minutes=11)  # type: ignore[attr-defined]
    await feed(plant, (0, 16.0))
    (violation,) = await plant.violations()
    assert limits_of(violation) == (5.0, 10.0, 15.0, "Low")


async def test_rebuild_asked_for_while_baselines_are_made(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A window that is declared just when its organization's rules were read is left out by the rebuild that it asks for."""
    original = keeping.find_newest_journal_id

    async def interrupted(*args: Any) -> int:
        monkeypatch.setattr(keeping, "find_newest_journal_id", original)
        await exclude(plant, -2 * WEEK - 30, -2 * WEEK + 30)
        return await original(*args)

    await plant.send("load", *HISTORY)
    await plant.run()
    await watch(plant)
    plant.restart()
    monkeypatch.setattr(keeping, "find_newest_journal_id", interrupted)
    await settle(plant)
    await settle(plant)
    await feed(plant, (0, 1000.0))
    assert await plant.violations() == []


async def test_learn_a_job_that_was_put_aside(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A baseline that is made while a job waits for its next attempt learns the job's points once, when they were evaluated."""
    original, sick = chunks.evaluate, [13.0]

    def picky(state: Any, chunk: chunks.Chunk, *args: Any) -> Any:
        if np.isin(chunk.values, sick).any():
            raise ArithmeticError("cannot judge")
        return original(state, chunk, *args)

    monkeypatch.setattr(chunks, "evaluate", picky)
    await plant.send("load", *HISTORY[:3])
    await plant.send("load", (-WEEK, 13.0))
    await plant.run()
    await watch(plant)
    await settle(plant)
    assert await built(plant)
    sick.clear()
    await settle(plant)
    await settle(plant)
    assert (await plant.summary()).queued == 0
    assert await limits_after(plant, 0) == (5.125, 10.25, 15.375, "Low")


@pytest.mark.parametrize("is_down", [True, False])
async def test_learn_anew_when_members_were_told_apart_otherwise_before_a_restart(plant: Plant, *, is_down: bool) -> None:
    """A metric whose definition changed while no process ran, or before one had seen a point of it, is learned by its new members."""
    await plant.send("load", *HISTORY, host="a")
    await plant.run()
    await watch(plant)
    await settle(plant)
    plant.restart()
    if not is_down:
        await settle(plant)
    async with plant.database.write() as tx:
        metric = (await find_metrics(tx, ORGANIZATION, ["load"]))["load"]
        draft = MetricDraft(metric_key="load", metric_mode="single" if metric.multidimensional else "multidimensional")
        draft = draft if metric.multidimensional else replace(draft, dimension_keys=("host",))
        await definitions.update(tx, person(), metric.id, draft, find_profile, claim_profile, plant.clock.now())
    await settle(plant)
    await plant.send("load", (0, 16.0), host="a")
    await plant.run()
    (violation,) = await plant.violations()
    assert limits_of(violation) == (5.0, 10.0, 15.0, "Low")


async def test_rebuild_of_some_buckets_leaves_out_what_detectors_found(plant: Plant) -> None:
    """What waits when buckets are rebuilt is learned then only if no fleet detector found it abnormal meanwhile."""
    host = {"host.id": "a"}
    await plant.send("load", *HISTORY[:3], **host)
    await plant.run()
    async with plant.database.write() as tx:
        metric = (await find_metrics(tx, ORGANIZATION, ["load"]))["load"]
        draft = MetricDraft(metric_mode="multidimensional", dimension_keys=("host.id",), fleet=FleetDraft(analyses=("peer_deviation",)))
        await definitions.update(tx, person(), metric.id, draft, find_profile, claim_profile, plant.clock.now())
    await watch(plant)
    for point in (HISTORY[3], (-WEEK + 600, 10.0)):
        await plant.send("load", point, **host)
        await plant.run()
    found = NewViolation(
        rule_id=None,
        metric_key="load",
        metric_display_name="load",
        dimension_key="host.id=a",
        time=plant.start - timedelta(weeks=1),
        actual_value=12.0,
        direction=Direction.BOTH,
        severity=Severity.WARNING,
        analysis="peer_deviation",
        tick_time=plant.start - timedelta(weeks=1),
        detect_time=plant.clock.now(),
    )
    async with plant.database.write() as tx:
        await violations.record(tx, ORGANIZATION, [found])
    await exclude(plant, -7200, -3600)
    await settle(plant)
    await plant.send("load", (0, 1000.0), **host)
    await plant.run()
    assert [one.actual_value for one in await plant.violations()] == [12.0]


async def test_hold_that_fails_makes_its_partition_wait(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a baseline cannot be made its points wait, others go on where they can, and everything is judged when it can again."""
    await plant.send("load", *HISTORY)
    await plant.send("other", (-3600, 1.0))
    await plant.run()
    await plant.add_rule("other", level())
    await watch(plant)

    async def fail(*_: Any, **__: Any) -> None:
        raise ValueError("a broken block")

    with monkeypatch.context() as broken:
        broken.setattr(keeping, "create", fail)
        await plant.send("load", (0, 99.0))
        await plant.send("other", (0, 99.0))
        await plant.run()
        found = {violation.metric_key for violation in await plant.violations()}
        assert found == ({"other"} if plant.database.is_postgresql else set())
    await settle(plant)
    assert {violation.metric_key for violation in await plant.violations()} == {"load", "other"}
