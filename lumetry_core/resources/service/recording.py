"""What a round of samples changes: histories, where thresholds stand, alerts and events. A round costs a handful of statements."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from lumetry_core.alerts.monitors import MonitorRecovery, MonitorReport
from lumetry_core.alerts.service.monitors import end_for_entities, find_active_monitored, report_firing, report_recovery
from lumetry_core.containers.model import Container, ContainerState
from lumetry_core.containers.service.reading import find_containers, list_containers
from lumetry_core.feed.service import Told, tell
from lumetry_core.resources.model import ALERT_TYPES, Latest, Metric, Thresholds
from lumetry_core.resources.store import samples as store
from lumetry_core.resources.store import spans as span_store
from lumetry_core.resources.store import thresholds as threshold_store
from lumetry_core.resources.telling import ENTITY_TYPE, SOURCE, tell_alert, tell_recovery, tell_snapshot, to_recovery, to_report
from lumetry_core.resources.watch import Verdict, Watch, judge
from lumetry_core.runtime.database import Transaction

STOPPED = "The container no longer runs."


@dataclass(slots=True)
class Outcome:
    """What comes of judging a round."""

    changed: list[Thresholds] = field(default_factory=list)
    reports: list[MonitorReport] = field(default_factory=list)
    recoveries: list[MonitorRecovery] = field(default_factory=list)
    events: list[Told] = field(default_factory=list)


async def list_sampled_containers(tx: Transaction, organization_id: int) -> list[Container]:
    """The containers that a round samples: those that run and are not ignored."""
    return await list_containers(tx, organization_id, states=(ContainerState.RUNNING,))


async def record_round(tx: Transaction, organization_id: int, latest: Sequence[Latest], now: datetime) -> None:
    """Stores the samples of a round, at most one of each container, and lets thresholds see them.

    A container that stopped or was forgotten while it was sampled is left out; one that is over a threshold and does not run has its
    alerts resolved.
    """
    running = {container.id: container for container in await list_sampled_containers(tx, organization_id)}
    kept = [each for each in latest if each.sample.container_id in running]
    await store.write_round(tx, organization_id, kept)
    await span_store.add_samples(tx, organization_id, [each.sample for each in kept])
    outcome = Outcome(events=[tell_snapshot(each.sample) for each in kept])
    enabled = await threshold_store.list_enabled(tx, organization_id)
    if enabled:
        await judge_round(tx, organization_id, enabled, running, kept, outcome)
        await end_stopped(tx, organization_id, [each for each in enabled.values() if each.container_id not in running], outcome, now)
        await threshold_store.write_standings(tx, organization_id, outcome.changed)
        await report_firing(tx, organization_id, outcome.reports, now)
        await report_recovery(tx, organization_id, outcome.recoveries, now)
    await tell(tx, organization_id, outcome.events, now)


async def judge_round(
    tx: Transaction,
    organization_id: int,
    enabled: Mapping[int, Thresholds],
    running: Mapping[int, Container],
    latest: Sequence[Latest],
    outcome: Outcome,
) -> None:
    """Judges the samples of containers with thresholds. Metrics whose alert a person closed begin anew."""
    alerting = [thresholds.container_id for thresholds in enabled.values() if thresholds.alerting]
    active: set[tuple[int | None, str | None]] = set()
    if alerting:
        found = await find_active_monitored(tx, organization_id, ENTITY_TYPE, alerting)
        active = {(alert.entity_id, alert.alert_type) for alert in found if alert.monitor_source == SOURCE}
    for each in latest:
        sample = each.sample
        before = enabled.get(sample.container_id)
        if before is None:
            continue
        container = running[sample.container_id]
        after = before
        for metric in Metric:
            watch = before.watches[metric]
            if watch.is_alerting and (sample.container_id, ALERT_TYPES[metric]) not in active:
                watch = Watch()
            threshold = before.threshold_of(metric)
            watch, verdict = judge(watch, sample.value_of(metric), threshold)
            after = replace(after, watches={**after.watches, metric: watch})
            if verdict in (Verdict.FIRES, Verdict.STILL_HIGH):
                outcome.reports.append(to_report(container, metric, sample, threshold))
            if verdict is Verdict.FIRES:
                after = replace(after, last_alert_time=sample.time)
                outcome.events.append(tell_alert(container, metric, sample, threshold))
            elif verdict is Verdict.RECOVERS:
                outcome.recoveries.append(to_recovery(container.id, container.name, metric, sample, threshold))
                outcome.events.append(tell_recovery(container.id, container.name, metric, sample, threshold))
        if after != before:
            outcome.changed.append(after)


async def end_stopped(tx: Transaction, organization_id: int, stopped: Collection[Thresholds], outcome: Outcome, now: datetime) -> None:
    """Resolves what containers that do not run were alerting on; whatever was noticed of them counts no more."""
    noticed = [thresholds for thresholds in stopped if not thresholds.is_at_rest]
    outcome.changed += [calmed(thresholds) for thresholds in noticed]
    outcome.events += await end_alerts(tx, organization_id, [each for each in noticed if each.alerting], STOPPED, now)


async def end_alerts(tx: Transaction, organization_id: int, ended: Sequence[Thresholds], reason: str, now: datetime) -> list[Told]:
    """Resolves the alerts of containers that are over thresholds; answers the events that tell of it."""
    if not ended:
        return []
    ids = [thresholds.container_id for thresholds in ended]
    await end_for_entities(tx, organization_id, ENTITY_TYPE, ids, reason, now, sources=(SOURCE,))
    containers = await find_containers(tx, organization_id, ids)
    latest = await store.read_latest(tx, organization_id, ids)
    events: list[Told] = []
    for each in ended:
        container, newest = containers.get(each.container_id), latest.get(each.container_id)
        if container is not None and newest is not None:
            told = (container.id, container.name)
            events += [tell_recovery(*told, metric, newest.sample, each.threshold_of(metric)) for metric in each.alerting]
    return events


def calmed(thresholds: Thresholds) -> Thresholds:
    """Thresholds of which nothing was noticed."""
    return replace(thresholds, watches=dict.fromkeys(Metric, Watch()))
