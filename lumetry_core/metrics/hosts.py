"""Hosts that points name by their labels (contract lumetry 4.5)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

HOST_ID = "host.id"


@dataclass(frozen=True, slots=True)
class Host:
    """A host, with what the labels of its points say about it; empty: nothing."""

    host_id: str
    name: str
    os: str
    arch: str
    collector_id: str
    """The collector that delivers its points."""
    create_time: datetime


def hosts_of(labels: Iterable[Mapping[str, str]], now: datetime) -> dict[str, Host]:
    """The hosts of new series, by id."""
    found: dict[str, Host] = {}
    for each in labels:
        host_id = each.get(HOST_ID)
        if host_id:
            found[host_id] = Host(
                host_id, each.get("host.name", ""), each.get("os.type", ""), each.get("arch", ""), each.get("collector.id", ""), now
            )
    return found
