"""Sources, what is asked of them and what they give (contract lumetry 5.8)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from lumetry_core.runtime.addresses import Policy
    from lumetry_core.runtime.outbound import OutboundAnswer, OutboundRequest

PROMETHEUS_TYPES = ("prometheus", "thanos")
DRIVERS_OF = {
    "prometheus": ("aiohttp",),
    "thanos": ("aiohttp",),
    "postgres": ("asyncpg",),
    "mysql": ("pymysql",),
    "http": ("aiohttp", "jsonpath_rfc9535"),
}
"""The modules that polling a type needs."""
TYPES = tuple(DRIVERS_OF)
"""Every type that can be polled where its driver is installed."""

MAX_SAMPLES = 5_000
"""Of one item. An item that gives more fails as a whole: a part of them would be a wrong picture."""
MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""Of one item."""
MAX_ERROR_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True)
class Target:
    """Where a source is. HTTP types use `base_url`, databases the rest; `username` is for both and may be empty."""

    base_url: str = ""
    username: str = ""
    host: str = ""
    port: int = 0
    database: str = ""
    tls: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One question. An empty `value_column`: the only number of a row; of Prometheus empty `label_columns` keep all labels."""

    metric_key: str
    query: str
    value_column: str = ""
    label_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Something to ask. `timeout_seconds` is for one item."""

    type: str
    target: Target
    items: tuple[Item, ...]
    secret: str = field(default="", repr=False)
    timeout_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Sample:
    """A value that ingestion takes: finite, its labels within the limits of contract lumetry 4.1."""

    metric_key: str
    value: float
    labels: Mapping[str, str]
    time: datetime


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What an item gave. With an `error` it gave nothing; `warnings` tell of what was left out and of what the source warns of.

    The texts are short, for people, and hold nothing of the secret.
    """

    metric_key: str
    samples: tuple[Sample, ...] = ()
    error: str = ""
    warnings: tuple[str, ...] = ()
    skipped_count: int = 0
    """Values that cannot be points: no number, NaN, infinite, or labels over the limits."""

    @property
    def succeeded(self) -> bool:
        """Whether the source answered the question."""
        return not self.error


class Fetch(Protocol):
    """Sends HTTP requests; `runtime.outbound.OutboundClient` is one. Databases are reached where its policy allows, too."""

    @property
    def policy(self) -> "Policy":
        """Where connections may lead."""

    async def send(self, request: "OutboundRequest") -> "OutboundAnswer":
        """Raises OutboundError when there is no answer."""


class PollError(Exception):
    """An item, or the source as a whole, cannot be asked or gives no usable answer; the text is for people."""


def available_types() -> tuple[str, ...]:
    """The types whose driver is installed. None of them is loaded by this."""
    return tuple(each for each, drivers in DRIVERS_OF.items() if all(find_spec(driver) is not None for driver in drivers))
