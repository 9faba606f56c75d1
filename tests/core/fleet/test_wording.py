import pytest

from lumetry_core.fleet.wording import spell_name, spell_number, spell_trigger
from lumetry_core.metrics.fleet_contract import Analysis


def test_spell_trigger_as_documented() -> None:
    """The texts are those of the contract."""
    assert spell_trigger(Analysis.PEER, 3, 89.0, 42.0) == "Peer deviation for 3 ticks: 89 vs median 42"
    assert spell_trigger(Analysis.BASELINE, 3, 89.0, 42.0) == "Baseline deviation for 3 ticks: 89 vs expected 42"
    assert spell_trigger(Analysis.PEER, 1, 89.5, -0.25) == "Peer deviation for 1 tick: 89.5 vs median -0.25"
    assert spell_name(Analysis.PEER, "CPU") == "CPU deviates from peers"
    assert spell_name(Analysis.BASELINE, "CPU") == "CPU deviates from baseline"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (100.0, "100"),
        (1234567.891, "1234567.89"),
        (99.999, "100"),
        (0.123456, "0.1235"),
        (0.5, "0.5"),
        (0.000012345, "1.234e-05"),
        (5e-324, "4.941e-324"),
        (1e308, "1e+308"),
        (-42.125, "-42.12"),
    ],
)
def test_spell_number_keeps_sensible_digits(value: float, text: str) -> None:
    """Whole numbers have no decimals, others as many as say something."""
    assert spell_number(value) == text
