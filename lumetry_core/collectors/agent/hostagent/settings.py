"""How an agent runs, and what it stands on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lumetry_core.collectors.agent.address import Target
from lumetry_core.collectors.agent.hostagent.collection import ReadsHost, ReadsProcesses
from lumetry_core.collectors.agent.pacing import Pace, Share, random_share
from lumetry_core.collectors.agent.timing import read_steady
from lumetry_core.collectors.agent.wanted import DEFAULT_BUFFER_BYTES
from lumetry_core.runtime.clock import Clock, SystemClock


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """How an agent runs."""

    target: Target
    collector: Target | None
    """A collector that relays."""
    enrollment_token: str | None
    state_folder: Path
    cluster: str = ""
    cluster_id: str = ""
    buffer_bytes: int = DEFAULT_BUFFER_BYTES
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
    processes: ReadsProcesses | None = None
    """None: those that run there."""
