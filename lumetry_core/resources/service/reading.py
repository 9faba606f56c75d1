"""What containers use and used (contract monitoring 8)."""

from datetime import datetime

from lumetry_core.containers.model import Container
from lumetry_core.containers.service.reading import find_containers, list_containers
from lumetry_core.resources.model import (
    SPANS,
    STALE_AFTER,
    VIEWS,
    Consumer,
    Granularity,
    Latest,
    Mean,
    Metric,
    Range,
    Sample,
    Summary,
    percent_of,
    start_of_span,
)
from lumetry_core.resources.service.recording import list_sampled_containers
from lumetry_core.resources.store import samples as store
from lumetry_core.resources.store import spans as span_store
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import LumetryError, Reason, not_found


async def check_container(tx: Transaction, organization_id: int, container_id: int) -> Container:
    """A container. Fails with NOT_FOUND."""
    found = (await find_containers(tx, organization_id, [container_id])).get(container_id)
    if found is None:
        raise not_found("Container", container_id)
    return found


async def get_current(tx: Transaction, organization_id: int, container_id: int) -> Sample:
    """The newest sample of a container. Fails with NOT_FOUND, also before the first."""
    await check_container(tx, organization_id, container_id)
    latest = (await store.read_latest(tx, organization_id, [container_id])).get(container_id)
    if latest is None:
        raise LumetryError(Reason.NOT_FOUND, f"Container {container_id} was not sampled yet.", type="Container", id=str(container_id))
    return latest.sample


async def list_history(tx: Transaction, organization_id: int, container_id: int, view_range: Range, now: datetime) -> list[Sample]:
    """What a container used in a range that ends now, oldest first, as finely as the range is looked at. Fails with NOT_FOUND."""
    await check_container(tx, organization_id, container_id)
    view = VIEWS[view_range]
    since = now - view.length
    if view.granularity is Granularity.RAW:
        return await store.list_samples(tx, organization_id, container_id, since)
    since = start_of_span(since, SPANS[view.granularity])
    return await span_store.list_spans(tx, organization_id, container_id, view.granularity, since)


async def list_top(
    tx: Transaction, organization_id: int, metric: Metric, period: Range | None, limit: int, now: datetime
) -> list[Consumer]:
    """The containers that use most, those that use most first, then by name.

    Args:
        period: Over how long the mean is taken; None: the newest sample of each that runs.
    """
    if period is None:
        containers = {container.id: container for container in await list_sampled_containers(tx, organization_id)}
        means = [to_mean(latest) for latest in await list_present(tx, organization_id, containers, now)]
    else:
        containers = {each.id: each for each in await list_containers(tx, organization_id)}
        view = VIEWS[period]
        since = start_of_span(now - view.length, SPANS[view.mean_of])
        means = await span_store.read_means(tx, organization_id, containers, view.mean_of, since)
    consumers = [to_consumer(mean, containers[mean.container_id].name, metric) for mean in means]
    return sorted(consumers, key=lambda each: (-each.value, each.container_name, each.container_id))[:limit]


async def summarise(tx: Transaction, organization_id: int, now: datetime) -> Summary:
    """Sums over the containers that run."""
    containers = {container.id: container for container in await list_sampled_containers(tx, organization_id)}
    present = await list_present(tx, organization_id, containers, now)
    return Summary(
        cpu_percent=round(sum(latest.sample.cpu_percent for latest in present), 2),
        cpu_count=max((latest.cpu_count for latest in present), default=0),
        memory_used=sum(latest.sample.memory_used for latest in present),
        memory_limit=sum(latest.sample.memory_limit for latest in present),
        net_rx_rate=round(sum(latest.net_rx_rate for latest in present), 2),
        net_tx_rate=round(sum(latest.net_tx_rate for latest in present), 2),
        container_count=len(containers),
    )


async def list_present(tx: Transaction, organization_id: int, containers: dict[int, Container], now: datetime) -> list[Latest]:
    """The newest samples of containers, without those that are too old to tell of the present."""
    latest = await store.read_latest(tx, organization_id, containers)
    return [each for each in latest.values() if each.sample.time > now - STALE_AFTER]


def to_mean(latest: Latest) -> Mean:
    """A newest sample, to be compared."""
    sample = latest.sample
    return Mean(sample.container_id, sample.cpu_percent, sample.memory_used, sample.memory_limit)


def to_consumer(mean: Mean, name: str, metric: Metric) -> Consumer:
    """A container and how much it uses of a metric."""
    if metric is Metric.CPU:
        percent = round(mean.cpu_percent, 2)
        return Consumer(mean.container_id, name, percent, percent)
    return Consumer(mean.container_id, name, round(mean.memory_used), percent_of(mean.memory_used, mean.memory_limit))
