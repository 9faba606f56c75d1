"""What is told of samples and thresholds: alerts and events in the contract's words (contract monitoring 9.3, 17.2)."""

from collections.abc import Mapping

from lumetry_core.alerts.monitors import Entity, EntityType, MonitorRecovery, MonitorReport, MonitorSource
from lumetry_core.containers.model import Container
from lumetry_core.feed.service import Told
from lumetry_core.resources.model import ALERT_TYPES, Metric, Sample

SOURCE = MonitorSource.RESOURCE
ENTITY_TYPE = EntityType.CONTAINER
NAMES: Mapping[Metric, str] = {Metric.CPU: "CPU", Metric.MEMORY: "Memory"}


def to_report(container: Container, metric: Metric, sample: Sample, threshold: float) -> MonitorReport:
    """The report of a metric that is over its threshold."""
    value = sample.value_of(metric)
    return MonitorReport(
        source=SOURCE,
        alert_type=ALERT_TYPES[metric],
        entity=Entity(ENTITY_TYPE, container.id, container.name),
        severity=container.alert_severity,
        alert_name=f"{NAMES[metric]} above threshold: {container.name}",
        message=f"{NAMES[metric]} of {container.name} is at {value:g} %; its threshold is {threshold:g} %.",
        details=details_of(container.id, container.name, value, threshold),
        start_time=sample.time,
        topology_node_id=container.topology_node_id,
        channels=container.channel_names,
    )


def to_recovery(container_id: int, container_name: str, metric: Metric, sample: Sample, threshold: float) -> MonitorRecovery:
    """The end of it."""
    value = sample.value_of(metric)
    return MonitorRecovery(
        source=SOURCE,
        alert_type=ALERT_TYPES[metric],
        entity_type=ENTITY_TYPE,
        entity_id=container_id,
        end_time=sample.time,
        details=details_of(container_id, container_name, value, threshold),
        message=f"{NAMES[metric]} of {container_name} is back at {value:g} %; its threshold is {threshold:g} %.",
    )


def details_of(container_id: int, container_name: str, value: float, threshold: float) -> dict[str, object]:
    """What alerts and their events say in numbers."""
    return {"container_id": container_id, "container_name": container_name, "current_value": value, "threshold": spell_number(threshold)}


def tell_alert(container: Container, metric: Metric, sample: Sample, threshold: float) -> Told:
    """The event of a metric that went over its threshold."""
    details = details_of(container.id, container.name, sample.value_of(metric), threshold)
    return "resource.alert", {**details, "alert_type": str(metric)}


def tell_recovery(container_id: int, container_name: str, metric: Metric, sample: Sample, threshold: float) -> Told:
    """The event of its end, with the newest value."""
    details = details_of(container_id, container_name, sample.value_of(metric), threshold)
    return "resource.recovery", {**details, "recovered_type": str(metric)}


def tell_snapshot(sample: Sample) -> Told:
    """The event of a sample."""
    return "resource.snapshot", {
        "container_id": sample.container_id,
        "cpu_percent": sample.cpu_percent,
        "mem_used": sample.memory_used,
        "mem_limit": sample.memory_limit,
        "mem_percent": sample.memory_percent,
        "net_rx_bytes": sample.net_rx_bytes,
        "net_tx_bytes": sample.net_tx_bytes,
        "block_read_bytes": sample.block_read_bytes,
        "block_write_bytes": sample.block_write_bytes,
    }


def spell_number(number: float) -> int | float:
    """A number as people write it: without fraction where it has none."""
    return int(number) if number == int(number) else number
