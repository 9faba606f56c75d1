import numpy as np
import pytest

from lumetry_core.metrics.columns import Columns
from lumetry_core.metrics.definition import define, unpack_labels
from lumetry_core.metrics.senders import PLAIN, Cap, Groups, Marking, Sender, Senders, limit_series, mark_caller
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.errors import LumetryError, Reason

KEY = "0b8f6f3e-4c1e-4a39-9a43-5a3f6f5f5f10"
RELAY = "d97e2b99-81bd-43aa-823d-dc5f78cd5429"
USER = Caller(7, CredentialKind.API_TOKEN)
COLLECTOR = Caller(7, CredentialKind.COLLECTOR, collector_id="c-1")
AGENT = Caller(7, CredentialKind.AGENT, agent_id=3)
PLACED = Sender(7, 3, KEY, "srv-1", "web")
GROUPS = Groups({"srv-1": "web"})


def labels_of(marking: Marking, **labels: str) -> dict[str, str]:
    sent = define("m", [(name.replace("_", "."), value) for name, value in labels.items()], "", "")
    return unpack_labels(marking.mark(sent).labels)


def test_mark_caller_sets_identity_of_agent() -> None:
    """Whatever an agent says of itself, its credential decides who it is, where, and what introduces its metrics."""
    marking = mark_caller(AGENT, Senders({3: PLACED}, GROUPS))
    sent = {"agent_id": "forged", "collector_id": "forged", "host_id": "srv-2", "host_group": "db", "mount": "/"}
    assert labels_of(marking, **sent) == {"agent.id": KEY, "host.id": "srv-1", "host.group": "web", "mount": "/"}
    assert marking.mark(define("m", [], "", "")).catalog_source == "agent"


def test_mark_caller_removes_group_of_unplaced_agent() -> None:
    """A group that an agent claims without being placed is no group."""
    marking = mark_caller(AGENT, Senders({3: Sender(7, 3, KEY, "srv-1")}, None))
    assert labels_of(marking, host_group="db") == {"agent.id": KEY, "host.id": "srv-1"}


def test_mark_caller_sets_collector_and_groups_its_hosts() -> None:
    """A collector is named by its credential; points of placed hosts carry their cluster whoever sends them."""
    marking = mark_caller(COLLECTOR, Senders({3: PLACED}, GROUPS))
    assert labels_of(marking, collector_id="c-9", agent_id="forged", host_id="srv-1", host_group="x") == {
        "collector.id": "c-1",
        "host.id": "srv-1",
        "host.group": "web",
    }
    assert labels_of(marking, host_id="srv-2", host_group="x") == {"collector.id": "c-1", "host.id": "srv-2", "host.group": "x"}


def test_mark_caller_groups_hosts_of_users() -> None:
    """Users' reserved labels are stored as sent, but for the group of placed hosts."""
    marking = mark_caller(USER, Senders({3: PLACED}, GROUPS))
    assert labels_of(marking, host_id="srv-1", agent_id="mine") == {"host.id": "srv-1", "host.group": "web", "agent.id": "mine"}


def test_mark_caller_leaves_users_alone_without_placements() -> None:
    """Without placed hosts a user's definitions stay the very same objects."""
    sent = define("m", [("host.group", "mine")], "", "")
    assert mark_caller(USER, Senders()) is PLAIN
    assert PLAIN.mark(sent) is sent


@pytest.mark.parametrize(
    ("sender", "caller", "reason"),
    [
        (None, AGENT, Reason.UNAUTHENTICATED),
        (Sender(7, 3, KEY, "srv-1", is_enabled=False), AGENT, Reason.AGENT_DISABLED),
        (Sender(7, 3, KEY, "srv-1", required_collector_id=RELAY), AGENT, Reason.RELAY_REQUIRED),
        (
            Sender(7, 3, KEY, "srv-1", required_collector_id=RELAY),
            Caller(7, CredentialKind.AGENT, agent_id=3, relay_collector_id=KEY),
            Reason.RELAY_REQUIRED,
        ),
    ],
)
def test_mark_caller_refuses(sender: Sender | None, caller: Caller, reason: Reason) -> None:
    """Removed and disabled agents, and those that bypass their relay, send nothing."""
    with pytest.raises(LumetryError) as failure:
        mark_caller(caller, Senders({} if sender is None else {3: sender}))
    assert failure.value.reason is reason


def test_mark_caller_takes_relayed_agent() -> None:
    """The relay that is demanded satisfies; the points are the agent's, not the collector's."""
    senders = Senders({3: Sender(7, 3, KEY, "srv-1", required_collector_id=RELAY)})
    marking = mark_caller(Caller(7, CredentialKind.AGENT, agent_id=3, relay_collector_id=RELAY), senders)
    assert labels_of(marking, collector_id="c-2") == {"agent.id": KEY, "host.id": "srv-1"}


def test_limit_series_drops_what_is_above_the_cap() -> None:
    """The first series in order stay, also later; points of others go, and a batch may become empty."""
    cap = Cap(2)
    columns = Columns(np.array([0, 1, 2, 3, 0, 3]), np.arange(6), np.arange(6.0), np.array([3, 1, 2]))
    limited = limit_series(columns, lambda number: f"m{number}".encode(), cap)
    assert (limited.indexes.tolist(), limited.times_ms.tolist(), limited.values.tolist()) == ([0, 1, 0], [0, 1, 4], [0.0, 1.0, 4.0])
    assert limited.batch_sizes.tolist() == [2, 0, 1]
    assert len(cap.refused) == 2
    assert limit_series(limited, lambda number: f"m{number}".encode(), cap) is limited


def test_cap_admits_again_after_forgetting() -> None:
    """Series that are not sent any more make room for others."""
    cap = Cap(1)
    assert [cap.admit(b"a"), cap.admit(b"b")] == [True, False]
    cap.forget()
    assert [cap.admit(b"b"), cap.admit(b"a")] == [True, False]
