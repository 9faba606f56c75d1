import math

import msgspec
import pytest

from lumetry_core.bench.report import Better, Figure, Latency, Report, encode_json, render_table, show, summarize_latency


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([0.005], Latency(1, 5, 5, 5, 5)),
        ([0.004, 0.001, 0.003, 0.002], Latency(4, 2, 4, 4, 4)),
        ([n / 1000 for n in range(1, 101)], Latency(100, 50, 90, 99, 100)),
        ([n / 1000 for n in range(1, 102)], Latency(101, 51, 91, 100, 101)),
    ],
)
def test_summarize_latency_takes_observed_times(seconds: list[float], expected: Latency) -> None:
    """Quantiles are observations of the nearest rank, never interpolations."""
    summary = summarize_latency(seconds)
    found = Latency(summary.count, *(round(ms, 6) for ms in (summary.p50_ms, summary.p90_ms, summary.p99_ms, summary.max_ms)))
    assert found == expected


def test_summarize_latency_without_observations() -> None:
    """Nothing observed is not a latency of zero."""
    summary = summarize_latency([])
    assert summary.count == 0
    assert math.isnan(summary.p99_ms)


@pytest.mark.parametrize(
    ("figure", "verdict"),
    [
        (Figure("rate", 10, floor=5, goal=10), "goal"),
        (Figure("rate", 9, floor=5, goal=10), "floor"),
        (Figure("rate", 4, floor=5, goal=10), "missed"),
        (Figure("p99", 10, floor=100, goal=25, better=Better.LOWER), "goal"),
        (Figure("p99", 99, floor=100, goal=25, better=Better.LOWER), "floor"),
        (Figure("p99", 101, floor=100, goal=25, better=Better.LOWER), "missed"),
        (Figure("p99", float("nan"), floor=100, better=Better.LOWER), "missed"),
        (Figure("rate", 9, goal=10), "missed"),
        (Figure("rate", 9), ""),
    ],
)
def test_verdict_of_a_figure(figure: Figure, verdict: str) -> None:
    """A figure is judged against its goal first, then its floor, in its own direction."""
    assert figure.verdict == verdict


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.12345, "0.1235"), (1.5, "1.50"), (123.45, "123.5"), (612345.6, "612,346"), (-2.5, "-2.50"), (float("nan"), "–")],
)
def test_show_keeps_the_digits_that_matter(value: float, text: str) -> None:
    """About four digits."""
    assert show(value) == text


REPORT = Report(
    "ingest",
    {"batch": 1000, "series": 10},
    [
        Figure("accepted", 300_000, "points/s", floor=250_000, goal=500_000),
        Figure("p99", 30.25, "ms", floor=100, goal=25, better=Better.LOWER),
        Figure("memory", float("nan"), "MB"),
    ],
    notes=["the disk was slow"],
    measurements={"rounds": [1, 2]},
)


def test_render_table_aligns_figures() -> None:
    """One line per figure, numbers under numbers."""
    assert render_table(REPORT) == (
        "ingest\n"
        "batch=1000  series=10\n"
        "\n"
        "figure      value  unit          floor       goal  verdict\n"
        "--------  -------  --------  ---------  ---------  -------\n"
        "accepted  300,000  points/s  ≥ 250,000  ≥ 500,000  floor\n"
        "p99         30.25  ms          ≤ 100.0    ≤ 25.00  floor\n"
        "memory          –  MB\n"
        "\n"
        "- the disk was slow"
    )


def test_encode_json_is_one_line_with_verdicts() -> None:
    """Programs get the raw numbers; what was not observed is null."""
    text = encode_json(REPORT)
    assert "\n" not in text
    assert msgspec.json.decode(text) == {
        "title": "ingest",
        "conditions": {"batch": 1000, "series": 10},
        "figures": [
            {
                "name": "accepted",
                "value": 300000,
                "unit": "points/s",
                "floor": 250000,
                "goal": 500000,
                "better": "higher",
                "verdict": "floor",
            },
            {"name": "p99", "value": 30.25, "unit": "ms", "floor": 100, "goal": 25, "better": "lower", "verdict": "floor"},
            {"name": "memory", "value": None, "unit": "MB", "floor": None, "goal": None, "better": "higher", "verdict": ""},
        ],
        "notes": ["the disk was slow"],
        "measurements": {"rounds": [1, 2]},
        "valid": True,
    }
