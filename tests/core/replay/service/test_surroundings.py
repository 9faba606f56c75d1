"""What is read of a deployment for the alerts of a preview."""

from dataclasses import replace
from datetime import timedelta

from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.alerts.service.muting import delete_silence
from lumetry_core.alerts.service.silences import MatchersDraft, SilenceDraft, create_silence
from lumetry_core.alerts.service.windows import WindowDraft, create_window, delete_window
from lumetry_core.replay.service.surroundings import read_surroundings
from lumetry_core.replay.settings import Settings
from lumetry_core.replay.surroundings import Surroundings
from lumetry_core.runtime.clock import from_ms
from tests.core.evaluation.building import rule
from tests.core.notifications.test_routing import an_integration
from tests.core.replay.test_correlating import NOW, alert
from tests.core.topology.building import Graph, push
from tests.pipeline.plant import ORGANIZATION, Plant, person

START, HOUR = from_ms(NOW), timedelta(hours=1)
ALERTS = [alert(0, None, "host.id=host-a"), alert(30, None, "host.id=host-b"), alert(40, None, "host.id=host-a")]
RULE = replace(rule(), organization_id=ORGANIZATION)


async def read(plant: Plant, organization_id: int = ORGANIZATION) -> Surroundings:
    """For alerts of an hour that is long over."""
    settings = Settings(60, OrganizationSettings(incidents_auto_resolve_after_minutes=20), an_integration(0))
    async with plant.database.read() as tx:
        return await read_surroundings(tx, replace(RULE, organization_id=organization_id), ALERTS, START + HOUR, settings)


async def test_read_surroundings_by_time(plant: Plant) -> None:
    """Windows and silences of the time of the alerts, whether or not they are over now; removed ones do not count, nor do others' ones."""
    later = START + 100 * HOUR
    async with plant.database.write() as tx:
        numbers = []
        for begin, end, recurrence in (
            (-2, 0, {}),
            (-1, 0.5, {}),
            (-1, 0.5, {}),
            (2, 3, {}),
            (-50, -49, {"rrule": "FREQ=DAILY", "time_zone": "UTC"}),
        ):
            period = {"start_time": START + begin * HOUR, "end_time": START + end * HOUR}
            created = await create_window(tx, person(), WindowDraft(scope_type="Global", reason="Change", **period, **recurrence), later)
            numbers.append(created.window.id)
        await delete_window(tx, person(), numbers[2], later)
        silences = []
        for begin, end in ((-2, 0), (-1, 0.5), (-1, 0.5), (2, 3)):
            period = {"start_time": START + begin * HOUR, "end_time": START + end * HOUR}
            draft = SilenceDraft(matchers=MatchersDraft(metric_key="load"), reason="Known", **period)
            silences.append((await create_silence(tx, person(), draft, later)).id)
        await delete_silence(tx, person(), silences[2], later)
    found = await read(plant)
    assert ([one.id for one in found.windows], [one.id for one in found.silences]) == ([numbers[1], numbers[4]], [silences[1]])
    other = await read(plant, ORGANIZATION + 1)
    assert (other.windows, other.silences, other.covering) == ([], [], {})


async def test_read_surroundings_in_the_topology(plant: Plant) -> None:
    """The context of each member once, what covers it where a window asks, the fallback among the integrations, and settings."""
    graph = Graph(plant.database, START)
    await graph.apply(push(["svc-bank", "app-1", "host-a"], [("svc-bank", "contains", "app-1"), ("app-1", "runs_on", "host-a")]))
    ids = await graph.ids()
    found = await read(plant)
    assert {member: (context.service_id, context.ci_id) for member, context in found.contexts.items()} == {
        "host.id=host-a": (ids["svc-bank"], ids["host-a"]),
        "host.id=host-b": (None, None),
    }
    assert (found.covering, found.resolve_after, found.fallback) == ({}, timedelta(minutes=20), found.integrations[0])
    draft = WindowDraft(scope_type="Ci", scope_node_id=ids["app-1"], reason="Change", start_time=START, end_time=START + HOUR)
    async with plant.database.write() as tx:
        await create_window(tx, person(), draft, START)
    assert set((await read(plant)).covering) == {ids["svc-bank"], ids["host-a"]}
