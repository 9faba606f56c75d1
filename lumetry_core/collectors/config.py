"""What a collector is wanted to do (contract lumetry 16.2 and its clarification 11). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from lumetry_core.runtime.errors import Faults

MEBIBYTE = 1024 * 1024
MAX_INTERVAL_SECONDS = 300


@dataclass(frozen=True, slots=True)
class HostMetrics:
    """Metrics of the collector's own host."""

    enabled: bool = True
    interval_seconds: int = 60


@dataclass(frozen=True, slots=True)
class Relay:
    """Serving agents that cannot reach the product."""

    enabled: bool = False
    port: int = 4319


@dataclass(frozen=True, slots=True)
class Buffer:
    """Keeping points while the product is away."""

    max_bytes: int = 500 * MEBIBYTE


@dataclass(frozen=True, slots=True)
class Polling:
    """Polling metric sources and testing them."""

    enabled: bool = True
    max_concurrency: int = 4


@dataclass(frozen=True, slots=True)
class Notifications:
    """Delivering notifications to targets inside the network."""

    enabled: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """The desired configuration of a collector."""

    heartbeat_interval_seconds: int = 30
    host_metrics: HostMetrics = HostMetrics()
    relay: Relay = Relay()
    buffer: Buffer = Buffer()
    polling: Polling = Polling()
    notifications: Notifications = Notifications()


DEFAULT = Config()


def check_config(config: Config) -> None:
    """Fails with VALIDATION_FAILED or OUT_OF_RANGE naming every fault."""
    faults = Faults()
    for path, value, least, most in (
        ("heartbeatIntervalSeconds", config.heartbeat_interval_seconds, 10, MAX_INTERVAL_SECONDS),
        ("hostMetrics.intervalSeconds", config.host_metrics.interval_seconds, 10, 3600),
        ("relay.port", config.relay.port, 1, 65535),
        ("buffer.maxBytes", config.buffer.max_bytes, MEBIBYTE, 10 * 1024 * MEBIBYTE),
        ("polling.maxConcurrency", config.polling.max_concurrency, 1, 32),
    ):
        faults.check_range(least <= value <= most, path, f"must be between {least} and {most}")
    faults.raise_if_any()


def spell_config(config: Config) -> Mapping[str, object]:
    """The configuration under the contract's names."""
    return {
        "heartbeatIntervalSeconds": config.heartbeat_interval_seconds,
        "hostMetrics": {"enabled": config.host_metrics.enabled, "intervalSeconds": config.host_metrics.interval_seconds},
        "relay": {"enabled": config.relay.enabled, "port": config.relay.port},
        "buffer": {"maxBytes": config.buffer.max_bytes},
        "polling": {"enabled": config.polling.enabled, "maxConcurrency": config.polling.max_concurrency},
        "notifications": {"enabled": config.notifications.enabled},
    }


def write_config(config: Config) -> str:
    """The configuration as it is stored: JSON."""
    return msgspec.json.encode(config).decode()


@lru_cache(maxsize=1024)
def read_config(text: str) -> Config:
    """Reads a stored configuration; parts that it does not have take their defaults."""
    return msgspec.json.decode(text, type=Config)
