"""What a tick makes of a member: counts, and when an alert opens, rises and closes (contract lumetry 6.2.5 to 6.2.7).

An analysis that could not judge a member counts neither way, as does a tick without a value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lumetry_core.fleet.model import MemberState, Patience, Run, Verdict
from lumetry_core.metrics.fleet_contract import Analysis


@dataclass(frozen=True, slots=True)
class Seen:
    """A member's newest value at a tick.

    Args:
        verdicts: Of every analysis that is on.
    """

    time_ms: int
    verdicts: Mapping[Analysis, Verdict]


@dataclass(frozen=True, slots=True)
class Opened:
    """An alert opens: by which analysis, whether as a critical one, and the runs whose violations it gathers."""

    analysis: Analysis
    is_critical: bool
    runs: Mapping[Analysis, Run]


@dataclass(frozen=True, slots=True)
class Raised:
    """An open alert becomes critical: by which analysis, after how many outlier ticks in a row."""

    analysis: Analysis
    ticks: int


@dataclass(frozen=True, slots=True)
class Recovered:
    """An alert closes after so many normal ticks in a row."""

    ticks: int


@dataclass(frozen=True, slots=True)
class Gone:
    """An alert closes because its member has had no value for too long."""


Step = Opened | Raised | Recovered | Gone


def advance(state: MemberState, tick_ms: int, seen: Seen | None, patience: Patience, since_ms: int) -> tuple[MemberState, Step | None]:
    """The state after a tick, and what becomes of the member's alert.

    The state after `Opened` has no alert yet: its number is given when it is stored.

    Args:
        seen: None: the member has no fresh value.
        since_ms: The first tick since which none was left out. Absence before it is not the member's: nobody looked.
    """
    if seen is None:
        return miss(state, tick_ms, patience, since_ms)
    followed = {analysis: follow(state, analysis, verdict, tick_ms, seen.time_ms) for analysis, verdict in seen.verdicts.items()}
    runs = {analysis: run for analysis, run in followed.items() if run is not None}
    state = replace(state, runs=runs, last_time_ms=seen.time_ms)
    if state.alert is None:
        return state, find_opening(state, patience)
    if any(verdict.is_outlier for verdict in seen.verdicts.values()):
        state = replace(state, normal_ticks=0)
        critical = next((analysis for analysis, verdict in seen.verdicts.items() if verdict is Verdict.CRITICAL), None)
        if critical is None or state.alert is None or state.alert.is_critical:
            return state, None
        return replace(state, alert=replace(state.alert, is_critical=True)), Raised(critical, runs[critical].ticks)
    if all(verdict is Verdict.NORMAL for verdict in seen.verdicts.values()):
        state = replace(state, normal_ticks=state.normal_ticks + 1)
    if state.normal_ticks >= patience.close_ticks:
        return MemberState(last_time_ms=seen.time_ms), Recovered(state.normal_ticks)
    return state, None


def miss(state: MemberState, tick_ms: int, patience: Patience, since_ms: int) -> tuple[MemberState, Step | None]:
    """A tick at which the member has no fresh value: it says nothing, until the member is gone."""
    last_ms = since_ms if state.last_time_ms is None else max(state.last_time_ms, since_ms)
    if tick_ms - last_ms < patience.gone_ms:
        return state, None
    return MemberState(), Gone() if state.alert is not None else None


def follow(state: MemberState, analysis: Analysis, verdict: Verdict, tick_ms: int, time_ms: int) -> Run | None:
    """The run of an analysis after its verdict; None when there is none."""
    run = state.runs.get(analysis)
    if verdict is Verdict.UNJUDGED:
        return run
    if verdict is Verdict.NORMAL:
        return None
    is_critical = verdict is Verdict.CRITICAL
    if run is None:
        return Run(1, tick_ms, time_ms, is_critical)
    return replace(run, ticks=run.ticks + 1, is_critical=run.is_critical or is_critical)


def find_opening(state: MemberState, patience: Patience) -> Opened | None:
    """The alert that runs open: by the first analysis whose run is long enough, with the worst severity of all that it gathers."""
    for analysis in Analysis:
        run = state.runs.get(analysis)
        if run is not None and run.ticks >= patience.open_ticks[analysis]:
            return Opened(analysis, any(each.is_critical for each in state.runs.values()), state.runs)
    return None
