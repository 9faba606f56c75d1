import numpy as np

from lumetry_core.fleet.judging import Change, Deviation, Learned, find_fingerprint, find_patience, judge, run_tick
from lumetry_core.fleet.model import MemberState, OpenAlert, Patience, Run
from lumetry_core.fleet.roster import Newest, Roster, enroll
from lumetry_core.fleet.ticking import Opened, Recovered
from lumetry_core.metrics.fleet_contract import Analysis, DeviationConfig, FleetContract
from lumetry_core.metrics.model import SeriesInfo

PEER, BASELINE = Analysis.PEER, Analysis.BASELINE
CONTRACT = FleetContract(analyses=(PEER, BASELINE), peer=DeviationConfig(3.5, open_ticks=1, close_ticks=2))
PATIENCE = find_patience(CONTRACT, 60)


def members(*values: float) -> tuple[Roster, Newest]:
    """Hosts from a on; the values are those of the first of them."""
    roster = enroll([SeriesInfo(number, 1, {"host": letter}) for number, letter in enumerate("abcdef", 1)], ("host",), CONTRACT)
    count = len(values)
    return roster, Newest(np.arange(count), np.full(count, 59_000), np.array(values))


def test_judge_uses_the_analyses_that_are_on() -> None:
    """Peers are compared for the view in any case; a member's past counts where it is known well enough."""
    roster, fresh = members(10.0, 10.0, 10.0, 90.0)
    learned = Learned(np.array([9.0, 9.0, 3.0, 9.0]), np.array([10.0, 30.0, 30.0, 90.0]), np.array([1.0, 1.0, 1.0, 1.0]), 4)
    judgement = judge(roster, fresh, CONTRACT, learned)
    assert judgement.analyses[PEER].is_outlier.tolist() == [False, False, False, True]
    assert judgement.analyses[BASELINE].is_outlier.tolist() == [False, True, False, False]
    assert judgement.analyses[BASELINE].is_judged.tolist() == [True, True, False, True]
    off = judge(roster, fresh, FleetContract(), None)
    assert (off.analyses, off.peers.is_outlier.tolist()) == ({}, [False, False, False, True])
    assert not judge(roster, fresh, CONTRACT, None).analyses[BASELINE].is_judged.any()


def test_run_tick_moves_those_who_deviate_or_did() -> None:
    """An outlier opens an alert, a member that is normal again nears its close, one without value stays, and the rest is not mentioned."""
    contract = FleetContract(analyses=(PEER,), peer=CONTRACT.peer)
    patience = find_patience(contract, 60)
    roster, fresh = members(10.0, 10.0, 10.0, 90.0, 10.0)
    alerting = MemberState(normal_ticks=1, last_time_ms=0, alert=OpenAlert(7, is_critical=False))
    states = {"host=a": alerting, "host=b": MemberState({PEER: Run(1, 0, 0, is_critical=False)}), "host=f": alerting, "host=x": alerting}
    ticked = run_tick(roster, judge(roster, fresh, contract, None), states, patience, 60_000, 0)
    run = Run(1, 60_000, 59_000, is_critical=False)
    assert ticked.states == {"host=f": alerting, "host=x": alerting, "host=d": MemberState({PEER: run}, 0, 59_000)}
    assert ticked.deviations == [Deviation("host=d", 3, PEER)]
    assert ticked.changes == [
        Change("host=a", 0, alerting, Recovered(2)),
        Change("host=d", 3, MemberState(), Opened(PEER, False, {PEER: run})),
    ]


def test_find_patience_asks_as_much_as_any_analysis() -> None:
    """All analyses must find a member normal for as long as the most patient of them wants."""
    assert Patience({PEER: 1, BASELINE: 3}, 3, 3_600_000) == PATIENCE
    assert find_patience(FleetContract(), 5) == Patience({}, 1, 300_000)


def test_find_fingerprint_tells_contracts_apart() -> None:
    """It is the same for equal contracts and another for anything that changes who is compared with what."""
    same = FleetContract(analyses=(PEER,), scope={"a": "1", "b": "2"})
    assert find_fingerprint(same, ("host",)) == find_fingerprint(FleetContract(analyses=(PEER,), scope={"b": "2", "a": "1"}), ("host",))
    others = [
        find_fingerprint(same, ("host", "mount")),
        find_fingerprint(FleetContract(analyses=(PEER,)), ("host",)),
        find_fingerprint(FleetContract(analyses=(BASELINE,), scope=same.scope), ("host",)),
        find_fingerprint(FleetContract(analyses=(PEER,), scope=same.scope, peer=DeviationConfig(4.0)), ("host",)),
    ]
    assert len({find_fingerprint(same, ("host",)), *others}) == 5
