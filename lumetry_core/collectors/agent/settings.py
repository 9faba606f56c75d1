"""How a collector is run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lumetry_core.collectors.agent.address import Target
from lumetry_core.collectors.agent.pacing import Pace, Share, random_share
from lumetry_core.collectors.agent.sampling import ReadsHost
from lumetry_core.collectors.agent.timing import read_steady
from lumetry_core.runtime.clock import Clock, SystemClock


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator says. It stands above the configuration that the server wants."""

    target: Target
    enrollment_token: str | None
    state_folder: Path
    interval_seconds: float | None = None
    buffer_bytes: int | None = None
    host_id: str | None = None
    hostname: str | None = None
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the process stands on; tests put something else there."""

    clock: Clock = field(default_factory=SystemClock)
    steady: Callable[[], float] = read_steady
    share: Share = random_share
    host: ReadsHost | None = None
    """None: the host that it runs on."""
