"""A whole metric at a tick: what the detectors say of its members, and what that makes of their states."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from lumetry_core.fleet.detectors import judge_past, judge_peers
from lumetry_core.fleet.model import Groups, Judged, MemberState, Patience, Verdict
from lumetry_core.fleet.roster import Newest, Roster
from lumetry_core.fleet.ticking import Seen, Step, advance
from lumetry_core.metrics.fleet_contract import Analysis, FleetContract
from lumetry_core.metrics.model import Floats

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What is known of the past of members with a fresh value: columns parallel to these."""

    counts: Floats
    means: Floats
    sigmas: Floats
    minimum_points: int


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What the detectors say of the fresh members of a metric.

    Args:
        fresh: The members that were judged; `analyses` has the same rows.
        analyses: Of every analysis that is on.
    """

    fresh: Newest
    groups: Groups
    peers: Judged
    analyses: Mapping[Analysis, Judged]


@dataclass(frozen=True, slots=True)
class Deviation:
    """One analysis found one member, a row of the judgement, to be an outlier."""

    key: str | None
    row: int
    analysis: Analysis


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a member's alert. `before` is its state before the tick; `row` None: the member has no fresh value."""

    key: str | None
    row: int | None
    before: MemberState
    step: Step


@dataclass(frozen=True, slots=True)
class Ticked:
    """A tick of a metric: the states after it, and what is to be recorded."""

    states: Mapping[str | None, MemberState]
    deviations: Sequence[Deviation]
    changes: Sequence[Change]


def judge(roster: Roster, fresh: Newest, contract: FleetContract, learned: Learned | None) -> Judgement:
    """Judges members with a fresh value. Without anything learned no member is compared with its past."""
    groups = roster.groups[fresh.members]
    peers, described = judge_peers(fresh.values, groups, len(roster.group_keys), contract.min_peer_count, contract.peer)
    analyses: dict[Analysis, Judged] = {}
    if Analysis.PEER in contract.analyses:
        analyses[Analysis.PEER] = peers
    if Analysis.BASELINE in contract.analyses:
        count = len(fresh.members)
        known = learned or Learned(np.zeros(count), np.zeros(count), np.zeros(count), 1)
        analyses[Analysis.BASELINE] = judge_past(
            fresh.values, known.counts, known.means, known.sigmas, known.minimum_points, contract.baseline
        )
    return Judgement(fresh, described, peers, analyses)


def run_tick(
    roster: Roster, judgement: Judgement, states: Mapping[str | None, MemberState], patience: Patience, tick_ms: int, since_ms: int
) -> Ticked:
    """Moves all members on by a tick. Only those that deviate, or did, cost anything."""
    fresh = judgement.fresh
    row_of_member = dict(zip(fresh.members.tolist(), range(len(fresh.members)), strict=True))
    position_of_key = {key: position for position, key in enumerate(roster.keys)} if states else {}
    is_outlier = np.zeros(len(fresh.members), bool)
    for judged in judgement.analyses.values():
        is_outlier |= judged.is_outlier
    rows: dict[str | None, int | None] = {key: row_of_member.get(position_of_key.get(key, -1)) for key in states}
    for row in np.flatnonzero(is_outlier).tolist():
        rows[roster.keys[fresh.members[row]]] = row
    after: dict[str | None, MemberState] = {}
    deviations: list[Deviation] = []
    changes: list[Change] = []
    for key, at in rows.items():
        before = states.get(key, MemberState())
        seen = None if at is None else Seen(int(fresh.times_ms[at]), find_verdicts(judgement, at))
        state, step = advance(before, tick_ms, seen, patience, since_ms)
        if seen is not None and at is not None:
            deviations += [Deviation(key, at, analysis) for analysis, verdict in seen.verdicts.items() if verdict.is_outlier]
        if step is not None:
            changes.append(Change(key, at, before, step))
        if not state.is_idle:
            after[key] = state
    return Ticked(after, deviations, changes)


def find_verdicts(judgement: Judgement, row: int) -> dict[Analysis, Verdict]:
    """What every analysis that is on says of a member."""
    return {analysis: find_verdict(judged, row) for analysis, judged in judgement.analyses.items()}


def find_verdict(judged: Judged, row: int) -> Verdict:
    """What one analysis says of a member."""
    if not judged.is_judged[row]:
        return Verdict.UNJUDGED
    if judged.is_critical[row]:
        return Verdict.CRITICAL
    return Verdict.WARNING if judged.is_outlier[row] else Verdict.NORMAL


def find_patience(contract: FleetContract, member_gone_minutes: int) -> Patience:
    """How many ticks open and close alerts of a metric."""
    configs = {Analysis.PEER: contract.peer, Analysis.BASELINE: contract.baseline}
    return Patience(
        open_ticks={analysis: configs[analysis].open_ticks for analysis in contract.analyses},
        close_ticks=max((configs[analysis].close_ticks for analysis in contract.analyses), default=1),
        gone_ms=member_gone_minutes * MINUTE_MS,
    )


def find_fingerprint(contract: FleetContract, dimension_keys: Sequence[str]) -> str:
    """Changes with anything that decides who is compared with what, and how."""
    described = json.dumps([asdict(contract), list(dimension_keys)], sort_keys=True, default=dict)
    return hashlib.blake2b(described.encode(), digest_size=8).hexdigest()
