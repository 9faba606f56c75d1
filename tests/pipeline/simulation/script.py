"""Scripts of simulations: what happens to a deployment, step by step, all of it told by a seed."""

from dataclasses import dataclass, field
from enum import StrEnum

from lumetry_core.alerts.maintenance import ScopeType
from lumetry_core.incidents.model import Classification


class Stage(StrEnum):
    """Where a crash may strike: the next round of the stage does its work, and nothing of it is committed."""

    UPKEEP = "upkeep"
    CORRELATION = "correlation"
    ROUTING = "routing"
    RECORDING = "recording"
    """What was sent until then has arrived."""


class Mood(StrEnum):
    """How a receiver answers."""

    WELL = "well"
    DOWN = "down"
    BROKEN = "broken"
    MUTE = "mute"
    """Everything arrives, and no answer comes back."""
    REFUSING = "refusing"


@dataclass(frozen=True, slots=True)
class Open:
    """Signals alert in one transaction, all with the same start, so many seconds ago."""

    signals: tuple[int, ...]
    critical: tuple[int, ...] = ()
    age: int = 0


@dataclass(frozen=True, slots=True)
class Flash:
    """A signal alerts and recovers in one transaction, as late data makes it do."""

    signal: int


@dataclass(frozen=True, slots=True)
class Rise:
    """The alert of a signal becomes critical."""

    signal: int


@dataclass(frozen=True, slots=True)
class Close:
    """The alerts of signals end."""

    signals: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Breach:
    """One more violation of the alert of a signal: evidence, when its incident is resolved."""

    signal: int


@dataclass(frozen=True, slots=True)
class Link:
    """An edge comes or goes."""

    edge: int


@dataclass(frozen=True, slots=True)
class Maintain:
    """A maintenance window, from so many minutes from now."""

    scope: ScopeType
    node: int | None = None
    metric: str | None = None
    start: int = 0
    minutes: int = 10
    rrule: str | None = None


@dataclass(frozen=True, slots=True)
class EndMaintenance:
    """The window made as the n-th is removed."""

    place: int


@dataclass(frozen=True, slots=True)
class Mute:
    """A silence."""

    metric: str | None = None
    severity: str = ""
    host: str | None = None
    minutes: int = 10


@dataclass(frozen=True, slots=True)
class Unmute:
    """The silence made as the n-th is removed."""

    place: int


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Somebody takes over the incident of a signal's newest alert."""

    signal: int


@dataclass(frozen=True, slots=True)
class Resolve:
    """Somebody ends the incident of a signal's newest alert."""

    signal: int
    classification: Classification


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver changes its mood."""

    integration: int
    mood: Mood


@dataclass(frozen=True, slots=True)
class Crash:
    """The process dies in the next round of a stage."""

    stage: Stage


@dataclass(frozen=True, slots=True)
class Wait:
    """The clock jumps, as it does for a process that stood still."""

    seconds: int


Step = (
    Open
    | Flash
    | Rise
    | Close
    | Breach
    | Link
    | Maintain
    | EndMaintenance
    | Mute
    | Unmute
    | Acknowledge
    | Resolve
    | Receiver
    | Crash
    | Wait
)


@dataclass(frozen=True, slots=True)
class Setup:
    """The default profile of the deployment, and how many integrations it has."""

    integrations: int = 2
    cooldown_minutes: int = 0
    notify_on_close: bool = True
    min_severity: str = "Warning"


@dataclass(frozen=True, slots=True)
class Script:
    """A setup and steps. After a step that is not lagging every stage catches up before the next one."""

    seed: int
    setup: Setup
    steps: tuple[tuple[Step, bool], ...] = field(repr=False)

    def __str__(self) -> str:
        """The steps as they are printed when one of them shows a defect."""
        lines = [f"seed {self.seed}: {self.setup}"]
        lines += [f"  {place:2} {step}{'  (lagging)' if lags else ''}" for place, (step, lags) in enumerate(self.steps)]
        return "\n".join(lines)
