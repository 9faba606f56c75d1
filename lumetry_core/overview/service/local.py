"""The host on which the product runs."""

from pathlib import Path

from lumetry_core.collectors.agent.host import host_labels
from lumetry_core.overview.machines import LocalHost


def find_local_host(data_folder: Path) -> LocalHost:
    """This host under the identity that a collector on it would give it."""
    labels = host_labels(data_folder)
    return LocalHost(labels["host.id"], labels["host.name"], labels["os.type"], labels["arch"])
