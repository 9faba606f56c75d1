"""Writes the script of a seed."""

from collections.abc import Callable
from random import Random

from lumetry_core.alerts.maintenance import ScopeType
from lumetry_core.incidents.model import Classification
from tests.pipeline.simulation.ground import EDGES, METRICS, PLAIN, STORM
from tests.pipeline.simulation.script import (
    Acknowledge,
    Breach,
    Close,
    Crash,
    EndMaintenance,
    Flash,
    Link,
    Maintain,
    Mood,
    Mute,
    Open,
    Receiver,
    Resolve,
    Rise,
    Script,
    Setup,
    Stage,
    Step,
    Unmute,
    Wait,
)


def write_script(seed: int, length: int = 40) -> Script:
    """The script of a seed."""
    random = Random(seed)
    setup = Setup(
        integrations=random.randint(1, 2),
        cooldown_minutes=random.choice([0, 0, 7]),
        notify_on_close=random.random() < 0.9,
        min_severity=random.choice(["Warning", "Warning", "Warning", "Critical"]),
    )
    steps = tuple((write_step(random, setup), random.random() < 0.25) for _ in range(length))
    return Script(seed, setup, steps)


def write_step(random: Random, setup: Setup) -> Step:
    """One step; what may not be possible at its time does nothing then."""
    kind = random.choices([kind for kind, _ in WEIGHTS], [weight for _, weight in WEIGHTS])[0]
    return WRITERS[kind](random, setup) if kind in WRITERS else kind(random.randrange(len(PLAIN)))


def write_opening(random: Random, _setup: Setup) -> Open:
    """A few signals of one time, or all that make a storm."""
    if random.random() < 0.08:
        return Open(tuple(random.sample([each.number for each in STORM], len(STORM))), age=random.randint(0, 5))
    signals = tuple(random.sample(range(len(PLAIN)), random.randint(1, 5)))
    return Open(signals, tuple(each for each in signals if random.random() < 0.3), random.choice([0, 0, 5, 60, 700]))


def write_silence(random: Random, _setup: Setup) -> Mute:
    """A silence with one matcher."""
    wanted = random.choice(["metric", "severity", "host"])
    return Mute(
        metric=random.choice(METRICS) if wanted == "metric" else None,
        severity=random.choice(["Warning", "Critical"]) if wanted == "severity" else "",
        host=random.choice(["h1", "h4"]) if wanted == "host" else None,
        minutes=random.choice([2, 15]),
    )


def write_window(random: Random, _setup: Setup) -> Maintain:
    """A window of any scope, now or later, once or recurring."""
    scope = random.choice(list(ScopeType))
    node = {ScopeType.SERVICE: random.choice([1, 2]), ScopeType.CI: random.randint(3, 10)}.get(scope)
    metric = random.choice(METRICS) if scope is ScopeType.METRIC else None
    start, minutes = random.choice([-5, 0, 0, 3]), random.choice([2, 6, 30])
    return Maintain(scope, node, metric, start, minutes, random.choice([None, None, "FREQ=DAILY;COUNT=3"]))


WEIGHTS: tuple[tuple[type, int], ...] = (
    (Open, 22),
    (Flash, 3),
    (Rise, 6),
    (Close, 10),
    (Breach, 10),
    (Link, 6),
    (Maintain, 4),
    (EndMaintenance, 3),
    (Mute, 4),
    (Unmute, 2),
    (Acknowledge, 2),
    (Resolve, 9),
    (Receiver, 7),
    (Crash, 8),
    (Wait, 16),
)
MOODS = (*Mood, Mood.WELL, Mood.WELL, Mood.DOWN)
CLASSIFICATIONS = (*Classification, Classification.RESOLVED, Classification.RESOLVED)
WRITERS: dict[type, Callable[[Random, Setup], Step]] = {
    Open: write_opening,
    Close: lambda random, _: Close(tuple(random.sample(range(len(PLAIN) + len(STORM)), random.randint(1, 8)))),
    Link: lambda random, _: Link(random.randrange(len(EDGES))),
    Maintain: write_window,
    EndMaintenance: lambda random, _: EndMaintenance(random.randrange(4)),
    Mute: write_silence,
    Unmute: lambda random, _: Unmute(random.randrange(4)),
    Resolve: lambda random, _: Resolve(random.randrange(len(PLAIN)), random.choice(CLASSIFICATIONS)),
    Receiver: lambda random, setup: Receiver(
        random.randint(1, setup.integrations), random.choice([*Mood, Mood.WELL, Mood.WELL, Mood.DOWN])
    ),
    Crash: lambda random, _: Crash(random.choice(list(Stage))),
    Wait: lambda random, _: Wait(random.choice([1, 10, 61, 121, 121, 305, 605, 1205, 1900])),
}
"""Kinds of steps that are about more than a signal."""
