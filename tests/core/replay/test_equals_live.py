"""What a preview says of incidents and notifications is what happened live."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.service.silences import MatchersDraft, SilenceDraft, create_silence
from lumetry_core.alerts.service.windows import WindowDraft, create_window
from lumetry_core.alerts.worker import OperationsKeeper
from lumetry_core.incidents.service.reading import find_incidents
from lumetry_core.incidents.worker import Correlator
from lumetry_core.notifications.delivery import Delivery
from lumetry_core.notifications.service.profiles import knows_profile
from lumetry_core.replay.course import Course, follow_alerts
from lumetry_core.replay.outcome import ReplayedAlert
from lumetry_core.replay.preview import replay_scene
from lumetry_core.replay.service.scene import read_scene
from lumetry_core.replay.service.surroundings import read_surroundings
from lumetry_core.replay.settings import Settings
from lumetry_core.rules import service as rules
from lumetry_core.rules.draft import LevelDraft, RuleDraft, StrategyDraft
from lumetry_core.runtime.clock import from_ms, to_ms
from tests.conftest import FakeClock
from tests.core.notifications.pipeline import Pipeline
from tests.core.topology.building import Graph, push
from tests.pipeline.plant import ORGANIZATION, Plant, person

DEFAULTS = OrganizationSettings()
SETTINGS = Settings(60, DEFAULTS)
STEP = 30
STEPS = 40
RACK = [f"host-r{number:02}" for number in range(14)]
HOSTS = ["host-a", "host-b", "host-c", *RACK, "nowhere"]
"""In the order of a preview's alerts of one time, so that live they come in the same."""
FLAT = StrategyDraft(metric_key="load", type="Static", direction="Above", static_upper=10.0)
LEVELS = (LevelDraft(severity="Warning", recovery_minutes=1), LevelDraft(severity="Critical", static_upper=50.0, recovery_minutes=1))

ShownIncident = tuple[str | None, str, int | None, int | None, int, list[tuple[str | None, int]]]
"""Key, severity, service, configuration item, start in ms, members with their starts."""
Told = tuple[str | None, int, str, int | None, int]
"""Member and start of an alert, transition, profile and integration."""


class Live:
    """Everything that runs live, moved on from time to time."""

    def __init__(self, plant: Plant, pipeline: Pipeline, clock: FakeClock) -> None:
        self.plant, self.pipeline, self.clock = plant, pipeline, clock
        self._keeper = OperationsKeeper(plant.database)
        self._correlator = Correlator(plant.database, DEFAULTS)

    async def reach(self, seconds: float, points: Sequence[tuple[str, float]] = ()) -> None:
        """At a time, points come in and are worked off."""
        self.clock.moment = self.plant.start + timedelta(seconds=seconds)
        await self._keeper.tick(self.clock.now())
        if points:
            await self.plant.send_mixed([("load", {"host.id": host}, seconds, value) for host, value in points])
            await self.plant.run()
        while await self._correlator.tick(self.clock.now()):
            pass
        await self.pipeline.settle()

    async def incidents(self) -> list[ShownIncident]:
        """All incidents with their members."""
        alerts = await self.plant.alerts()
        async with self.plant.database.read() as tx:
            found = await find_incidents(tx, ORGANIZATION, {alert.incident_id for alert in alerts if alert.incident_id is not None})
        return sorted(
            (
                one.correlation_key,
                one.severity.value,
                one.primary_service_node_id,
                one.primary_ci_node_id,
                to_ms(one.start_time),
                sorted(name(alert) for alert in alerts if alert.incident_id == one.id),
            )
            for one in found.values()
        )

    async def told(self) -> dict[Told, tuple[Any, ...]]:
        """What became of each transition at each integration, and when it was sent."""
        alerts = {alert.id: alert for alert in await self.plant.alerts()}
        names: dict[str, tuple[str | None, int]] = {}
        for alert in alerts.values():
            if alert.incident_id is not None:
                names[str(alert.incident_id)] = min(name(alert), names.get(str(alert.incident_id), name(alert)))
        return {
            (*name(alerts[row.alert_id]), row.transition.value, row.profile_id, row.integration_id): (
                *describe(row, names),
                row.create_time if row.is_told else None,
            )
            for row in await self.pipeline.deliveries()
        }


def name(alert: Alert) -> tuple[str | None, int]:
    return alert.dimension_key, to_ms(alert.start_time)


def describe(row: Delivery, names: dict[str, Any]) -> tuple[Any, ...]:
    """Status, reason and record of a delivery."""
    status = "Sent" if row.is_told else row.status.value
    record = row.record
    if record is None or record.type == "Delivery":
        return status, row.reason, record and record.type
    return status, row.reason, (record.type, names[record.id] if record.type == "Incident" else (record.id, record.name))


def shown_incidents(course: Course, alerts: Sequence[ReplayedAlert]) -> list[ShownIncident]:
    return sorted(
        (
            one.incident.correlation_key,
            one.incident.severity.value,
            one.incident.primary_service_node_id,
            one.incident.primary_ci_node_id,
            to_ms(one.incident.start_time),
            sorted((alerts[place].dimension_key, alerts[place].start) for place in one.alerts),
        )
        for one in course.incidents
    )


def shown_told(course: Course, alerts: Sequence[ReplayedAlert]) -> dict[Told, tuple[Any, ...]]:
    """The last word of a preview on each transition at each integration."""
    names = {str(one.incident.id): min((alerts[p].dimension_key, alerts[p].start) for p in one.alerts) for one in course.incidents}
    told = {}
    for one in course.notifications:
        alert, record = alerts[one.place], one.record
        shown: Any = record and record.type
        if record is not None and record.type != "Delivery":
            shown = (record.type, names[record.id] if record.type == "Incident" else (record.id, record.name))
        time = one.time if one.outcome == "Sent" else None
        told[alert.dimension_key, alert.start, one.transition.value, one.profile_id, one.integration_id] = (
            one.outcome.value,
            one.reason,
            shown,
            time,
        )
    return told


async def surround(live: Live, rng: random.Random) -> int:
    """A topology, windows, silences and profiles; the number of the rule's profile."""
    plant, start = live.plant, live.plant.start
    graph = Graph(plant.database, start)
    nodes = ["svc-bank", "app-1", "cluster-1", "host-a", "host-b", "host-c", *RACK]
    edges = [("svc-bank", "contains", "app-1"), ("app-1", "runs_on", "host-a"), ("app-1", "runs_on", "host-b")]
    edges += [("app-1", "runs_on", "cluster-1"), *(("cluster-1", "contains", host) for host in RACK)]
    await graph.apply(push(nodes, edges))
    ids = await graph.ids()
    windows = [
        {
            "scope_type": "Service",
            "scope_node_id": ids["svc-bank"],
            "at": rng.randrange(0, 500, STEP),
            "lasts": rng.randrange(60, 400, STEP),
        },
        {"scope_type": "Ci", "scope_node_id": ids["cluster-1"], "at": rng.randrange(300, 900, STEP), "lasts": rng.randrange(60, 300, STEP)},
        {"scope_type": "Ci", "scope_node_id": ids["host-c"], "at": 90 - 86_400, "lasts": 210, "rrule": "FREQ=DAILY", "time_zone": "UTC"},
    ]
    async with plant.database.write() as tx:
        for window in windows:
            begin, lasts = start + timedelta(seconds=window.pop("at")), timedelta(seconds=window.pop("lasts"))
            draft = WindowDraft(**window, start_time=begin, end_time=begin + lasts, reason="Change")
            await create_window(tx, person(), draft, start)
        for matchers in ({"labels": {"host.id": "host-b"}}, {"severity": "Warning", "ci_node_id": ids["host-r01"]}):
            begin = start + timedelta(seconds=rng.randrange(0, 600, STEP))
            draft = SilenceDraft(
                matchers=MatchersDraft(**matchers), start_time=begin, end_time=begin + timedelta(seconds=390), reason="Known"
            )
            await create_silence(tx, person(), draft, start)
    ops, chat, off = [await live.pipeline.add_integration(name, is_enabled=name != "Off") for name in ("Ops", "Chat", "Off")]
    await live.pipeline.add_profile(chat, name="Default")
    return await live.pipeline.add_profile(
        ops,
        chat,
        off,
        name="Rule's",
        is_default=False,
        cooldown_minutes=rng.choice([0, 3]),
        min_severity=rng.choice(["Warning", "Critical"]),
        notify_on_close=rng.random() < 0.7,
        is_enabled=rng.random() < 0.8,
    )


@pytest.mark.parametrize("seed", range(4))
async def test_course_equals_live(plant: Plant, clock: FakeClock, seed: int) -> None:
    """Topology, windows, silences, cooldowns, filters and storms: the preview of the same points tells the same."""
    rng = random.Random(seed)
    await plant.send("load", (-86_400, 1.0), **{"host.id": "host-a"})
    await plant.run()
    async with Pipeline(plant.database, clock) as pipeline:
        live = Live(plant, pipeline, clock)
        profile_id = await surround(live, rng)
        draft = RuleDraft(name="Load", flat=FLAT, levels=LEVELS, alerting_profile_id=profile_id)
        async with plant.database.write() as tx:
            await rules.create(tx, person(), draft, plant.start, knows_profile)
        outages = set(rng.sample(range(STEPS), 3))
        for step in range(STEPS):
            rack_is_down = any(begin <= step < begin + 4 for begin in outages)
            points = [
                (host, rng.choice([20.0, 20.0, 99.0]) if rng.random() < (0.8 if rack_is_down and host in RACK else 0.12) else 5.0)
                for host in HOSTS
            ]
            await live.reach(step * STEP, points)
            await live.reach(step * STEP + 1)
        draft = replace(draft, name="")
        end = plant.start + timedelta(seconds=(STEPS - 1) * STEP)
        async with plant.database.read() as tx:
            scene = await read_scene(tx, person(), draft, plant.start, end, SETTINGS, clock.now())
            alerts = replay_scene(scene).alerts
            surroundings = await read_surroundings(tx, scene.rule, alerts, end, SETTINGS)
        course = follow_alerts(scene.rule, alerts, surroundings, from_ms(scene.end_ms))
        assert shown_incidents(course, alerts) == await live.incidents()
        told, expected = shown_told(course, alerts), await live.told()
        assert told == expected
