"""The configuration that the server wants, with defaults filled in."""

from typing import TypeVar

import msgspec
from google.protobuf.message import Message

from lumetry.collectors.v1 import config_pb2

MIN_BUFFER_BYTES = 1024 * 1024
MAX_BUFFER_BYTES = 10 * 1024**3
DEFAULT_BUFFER_BYTES = 500 * 1024 * 1024
"""Contract lumetry 17.1."""


Value = TypeVar("Value")


class ConfigError(Exception):
    """A configuration that cannot be applied here; the text is what the server is told."""


class HostMetrics(msgspec.Struct, frozen=True):
    """Metrics of this host."""

    enabled: bool = True
    interval_seconds: float = 60.0


class Relay(msgspec.Struct, frozen=True):
    """Serving agents."""

    enabled: bool = False
    port: int = 4319


class Buffer(msgspec.Struct, frozen=True):
    """Keeping points while the server is away."""

    max_bytes: int = DEFAULT_BUFFER_BYTES


class Polling(msgspec.Struct, frozen=True):
    """Polling metric sources and testing them."""

    enabled: bool = True
    max_concurrency: int = 4


class Notifications(msgspec.Struct, frozen=True):
    """Delivering notifications."""

    enabled: bool = False


class Wanted(msgspec.Struct, frozen=True):
    """What the collector is to do; the defaults are those of contract lumetry 16.2."""

    heartbeat_interval_seconds: float = 30.0
    host_metrics: HostMetrics = HostMetrics()
    relay: Relay = Relay()
    buffer: Buffer = Buffer()
    polling: Polling = Polling()
    notifications: Notifications = Notifications()


def read_config(config: config_pb2.CollectorConfig) -> Wanted:
    """The configuration with its defaults.

    Raises:
        ConfigError: Values are outside of what this version can do; the text names them all.
    """
    wanted = Wanted(
        heartbeat_interval_seconds=choose(config, "heartbeat_interval_seconds", Wanted().heartbeat_interval_seconds),
        host_metrics=HostMetrics(
            choose(config.host_metrics, "enabled", HostMetrics().enabled),
            choose(config.host_metrics, "interval_seconds", HostMetrics().interval_seconds),
        ),
        relay=Relay(choose(config.relay, "enabled", Relay().enabled), choose(config.relay, "port", Relay().port)),
        buffer=Buffer(choose(config.buffer, "max_bytes", Buffer().max_bytes)),
        polling=Polling(
            choose(config.polling, "enabled", Polling().enabled), choose(config.polling, "max_concurrency", Polling().max_concurrency)
        ),
        notifications=Notifications(choose(config.notifications, "enabled", Notifications().enabled)),
    )
    faults = [
        f"{path} {value} is not within {least} and {most}"
        for path, value, least, most in (
            ("heartbeatIntervalSeconds", wanted.heartbeat_interval_seconds, 10, 300),
            ("hostMetrics.intervalSeconds", wanted.host_metrics.interval_seconds, 10, 3600),
            ("relay.port", wanted.relay.port, 1, 65_535),
            ("buffer.maxBytes", wanted.buffer.max_bytes, MIN_BUFFER_BYTES, MAX_BUFFER_BYTES),
            ("polling.maxConcurrency", wanted.polling.max_concurrency, 1, 32),
        )
        if not least <= value <= most
    ]
    if faults:
        raise ConfigError("; ".join(faults))
    return wanted


def choose(message: Message, name: str, otherwise: Value) -> Value:
    """The field's value when it is set."""
    value: Value = getattr(message, name) if message.HasField(name) else otherwise
    return value
