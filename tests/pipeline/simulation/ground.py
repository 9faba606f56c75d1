"""What simulations happen on: a small topology, signals that may alert, and the settings of an organization."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.incidents.watch import read_rules
from lumetry_core.topology.model import EdgeType, NodeType

ORGANIZATION = 7
START = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
SETTINGS = OrganizationSettings(
    correlation_window_minutes=10,
    incidents_reopen_settle_minutes=2,
    incidents_reopen_horizon_minutes=20,
    incidents_persistence_threshold_minutes=30,
)
"""Short spans, so that a script of some minutes reaches what lies behind them."""
WINDOW = SETTINGS.correlation_window
RULES = read_rules(SETTINGS)
STEP = timedelta(seconds=1)

NODES: dict[int, tuple[str, NodeType]] = {
    1: ("shop", NodeType.BUSINESS_SERVICE),
    2: ("bank", NodeType.BUSINESS_SERVICE),
    3: ("front", NodeType.APPLICATION),
    4: ("back", NodeType.APPLICATION),
    5: ("cluster", NodeType.CLUSTER),
    6: ("store", NodeType.DATABASE),
    7: ("h1", NodeType.HOST),
    8: ("h2", NodeType.HOST),
    9: ("h3", NodeType.HOST),
    10: ("h4", NodeType.HOST),
}
SERVICES = frozenset({1, 2})
NODE_OF_HOST = {name: number for number, (name, node_type) in NODES.items() if node_type is NodeType.HOST}

Edge = tuple[int, int, EdgeType]
EDGES: tuple[Edge, ...] = (
    (1, 3, EdgeType.CONTAINS),
    (2, 4, EdgeType.CONTAINS),
    (1, 2, EdgeType.CONTAINS),
    (3, 7, EdgeType.RUNS_ON),
    (3, 8, EdgeType.RUNS_ON),
    (4, 8, EdgeType.RUNS_ON),
    (4, 9, EdgeType.RUNS_ON),
    (4, 5, EdgeType.RUNS_ON),
    (5, 9, EdgeType.CONTAINS),
    (5, 10, EdgeType.CONTAINS),
    (3, 6, EdgeType.DEPENDS_ON),
    (6, 10, EdgeType.RUNS_ON),
    (3, 4, EdgeType.DEPENDS_ON),
    (4, 3, EdgeType.DEPENDS_ON),
    (2, 1, EdgeType.DEPENDS_ON),
)
"""All that come and go; some of them close cycles."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that may alert, once at a time: a rule's member, or, without a rule, what an external source reports of a node."""

    number: int
    rule_id: int | None = None
    metric_key: str | None = None
    dimension_key: str | None = None
    node_id: int | None = None

    @property
    def host(self) -> str | None:
        """The host that its labels name."""
        head = (self.dimension_key or "").partition("|")[0]
        return head.removeprefix("host.id=") if head.startswith("host.id=") else None


GONE = 99
"""A node that is not there: alerts of it belong with no others."""
PLAIN: tuple[Signal, ...] = (
    Signal(0, 17, "cpu", "host.id=h1"),
    Signal(1, 17, "cpu", "host.id=h2"),
    Signal(2, 17, "cpu", "host.id=h3"),
    Signal(3, 17, "cpu", "host.id=h4"),
    Signal(4, 18, "disk", "host.id=h1"),
    Signal(5, 18, "disk", "host.id=h3"),
    Signal(6, 19, "queue"),
    Signal(7, 20, "jobs", "name=a"),
    Signal(8, 20, "jobs", "name=b"),
    Signal(9, node_id=6),
    Signal(10, node_id=1),
    Signal(11, node_id=8),
    Signal(12, node_id=GONE),
    Signal(13, node_id=GONE),
)
STORM: tuple[Signal, ...] = tuple(Signal(len(PLAIN) + place, 21, "net", f"host.id=h4|nic={place:02}") for place in range(12))
"""Together they are more than an incident may gain within a minute without being a storm."""
SIGNALS = (*PLAIN, *STORM)
METRICS = ("cpu", "disk", "queue", "jobs", "net")
