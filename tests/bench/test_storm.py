from dataclasses import replace

import pytest

from lumetry_core.bench.connection import BenchError
from lumetry_core.bench.storm import StormOptions, report_storm, run_storm
from lumetry_core.bench.storm_following import Storm
from lumetry_core.bench.storm_peer import PeerStorm

STORM = Storm(
    accepted=0.5,
    opened=1.0,
    correlated=1.25,
    first_page=0.75,
    last_page=1.5,
    incidents=50,
    pages=100,
    most_pages=1,
    fewest_pages=1,
    repetitions=0,
    cpu_seconds=2.0,
    foreign_share=0.0,
)


def test_report_judges_times_and_counts() -> None:
    """Time runs from the last answer; one page each is what was promised, neither more nor fewer."""
    report = report_storm(StormOptions(rounds=1), {"cores": 2.0}, [STORM], [PeerStorm("both", 0.1, 1.0, 0.25, 0.0)], [])
    found = {figure.name: (figure.value, figure.verdict) for figure in report.figures}
    assert found["last 202 → all alerts in incidents"] == (0.75, "goal")
    assert found["pages per incident and integration, most"] == (1.0, "goal")
    assert found["pages per incident and integration, fewest"] == (1.0, "goal")
    assert found["repeated idempotency keys"] == (0.0, "goal")
    assert found["prometheus + alertmanager: first sample sent → a page for each service"] == (1.0, "")
    assert report.valid


def test_report_shows_pages_that_were_too_many_or_missing() -> None:
    """A storm of pages is no result, however fast it was."""
    storms = [STORM, replace(STORM, most_pages=3, fewest_pages=0, repetitions=2)]
    report = report_storm(StormOptions(rounds=2), {}, storms, [], [])
    verdicts = {figure.name: figure.verdict for figure in report.figures}
    assert verdicts["pages per incident and integration, most"] == "missed"
    assert verdicts["pages per incident and integration, fewest"] == "missed"
    assert verdicts["repeated idempotency keys"] == "missed"


def test_rounds_need_databases_of_their_own() -> None:
    """A second storm on the same database would meet the incidents of the first."""
    with pytest.raises(BenchError, match="--rounds 1"):
        run_storm(StormOptions(rounds=2, database_url="postgresql://localhost/none"), lambda _line: None)


def test_run_storm_pages_once_for_each_service() -> None:
    """A small storm over real processes: points, alerts, incidents, webhooks."""
    told: list[str] = []
    report = run_storm(StormOptions(alerts=40, nodes=20, peer=False), told.append)
    figures = {figure.name: figure.value for figure in report.figures}
    assert figures["incidents"] == 2
    assert figures["pages per incident and integration, most"] == 1
    assert figures["pages per incident and integration, fewest"] == 1
    assert figures["repeated idempotency keys"] == 0
    assert 0 < figures["first point sent → last 202"] <= figures["first point sent → all alerts open"]
    assert "2 incidents" in told[-1]
