"""What detectors say to people (contract lumetry 6.2.6)."""

from lumetry_core.metrics.fleet_contract import Analysis

NOUNS = {Analysis.PEER: ("Peer", "median", "peers"), Analysis.BASELINE: ("Baseline", "expected", "baseline")}
"""What an analysis is called, what it calls that with which it compares, and with what it compares."""
LARGE = 1e15


def spell_trigger(analysis: Analysis, ticks: int, value: float, expected: float) -> str:
    """Why an alert opened, such as `Peer deviation for 3 ticks: 89 vs median 42`."""
    name, center, _ = NOUNS[analysis]
    return f"{name} deviation for {spell_ticks(ticks)}: {spell_number(value)} vs {center} {spell_number(expected)}"


def spell_name(analysis: Analysis, metric_display_name: str) -> str:
    """What an alert is called, such as `CPU deviates from peers`."""
    return f"{metric_display_name} deviates from {NOUNS[analysis][2]}"


def spell_analysis(analysis: Analysis) -> str:
    """An analysis for people."""
    return f"{NOUNS[analysis][0]} deviation"


def spell_ticks(ticks: int) -> str:
    """A number of ticks."""
    return "1 tick" if ticks == 1 else f"{ticks} ticks"


def spell_number(value: float) -> str:
    """A number as people write it: two decimals, four digits when it is below one, powers of ten when it is very large or small."""
    if abs(value) >= LARGE:
        return f"{value:.4g}"
    if value == 0:
        return "0"
    if abs(value) < 1:
        return f"{value:.4g}"
    return f"{value:.2f}".rstrip("0").rstrip(".")
