from lumetry_core.bench.replaying import ReplayOptions, run_replay


def test_run_replay_judges_after_a_week() -> None:
    """Every spike after the first week breaches, in bands drawn at once and minute by minute; all points are counted."""
    told: list[str] = []
    for window_minutes in (5, 60):
        report = run_replay(ReplayOptions(series=2, days=10, step_seconds=300, window_minutes=window_minutes), told.append)
        figures = {figure.name: figure.value for figure in report.figures}
        assert figures["points"] == 2 * 10 * 288
        assert figures["points per second"] > 0
        assert (figures["violations"] > 0) == (window_minutes == 60)
    assert len(told) == 2
