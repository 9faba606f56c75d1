import numpy as np

from lumetry_core.bench.detecting_synthetic import POINTS, SERIES, START_MS, STEP_MS, WEEK, make_series


def test_make_series_is_always_the_same() -> None:
    """Two makings agree to the bit, so that figures can be compared."""
    for one, other in zip(make_series(), make_series(), strict=True):
        assert (one.name, one.windows) == (other.name, other.windows)
        assert one.times.tobytes() == other.times.tobytes()
        assert one.values.tobytes() == other.values.tobytes()


def test_make_series_keeps_its_shape() -> None:
    """Six weeks of ascending five-minute points, finite, with nothing wrong in the first three; only one series has gaps."""
    made = make_series()
    assert [series.name for series in made] == list(SERIES)
    for series in made:
        assert np.isfinite(series.values).all()
        assert (np.diff(series.times) > 0).all()
        assert (series.times % STEP_MS == 0).all()
        assert (len(series.times) == POINTS) == (series.name != "gaps")
        assert all(START_MS + 3 * WEEK * STEP_MS <= start <= end <= series.times[-1] for start, end in series.windows)
        ends = [end for _, end in series.windows]
        assert all(end < start for end, (start, _) in zip(ends, series.windows[1:], strict=False))


def test_make_series_has_every_kind_of_trouble() -> None:
    """Windows of a point, of hours and until the end are there, and a series without any."""
    lengths = {series.name: [(end - start) // STEP_MS + 1 for start, end in series.windows] for series in make_series()}
    assert lengths["daily-spikes"] == [1] * 6
    assert lengths["level-shifts"][0] == 288
    assert lengths["ordinary"] == []
    assert sum(map(len, lengths.values())) == 25
