from typing import Any

import pytest

from lumetry_core.billing.draft import BudgetDraft, BudgetValues, read_drafts
from lumetry_core.billing.model import Meter, Mode, Period
from lumetry_core.runtime.errors import Fault, Faults, LumetryError, Reason

RIGHT = {"name": "Logs", "meter": "log_bytes", "period": "day", "limit": 5}


def read(*drafts: dict[str, Any]) -> tuple[list[BudgetValues], Reason | None, list[Fault]]:
    faults = Faults()
    values = read_drafts([BudgetDraft(**draft) for draft in drafts], faults)
    try:
        faults.raise_if_any()
    except LumetryError as error:
        return [], error.reason, list(error.faults)
    return values, None, []


def test_read_drafts_with_what_is_usual() -> None:
    """What is not sent gets its default, and names are trimmed."""
    assert read(RIGHT | {"name": " Logs "}) == (
        [
            BudgetValues(
                id=None,
                name="Logs",
                meter=Meter.LOG_BYTES,
                period=Period.DAY,
                limit=5,
                mode=Mode.SOFT,
                project_id=None,
                thresholds=(80, 100),
                is_active=True,
            )
        ],
        None,
        [],
    )


@pytest.mark.parametrize(
    ("sent", "reason", "path"),
    [
        ({"name": None}, Reason.VALIDATION_FAILED, "items[0].name"),
        ({"name": "n" * 121}, Reason.VALIDATION_FAILED, "items[0].name"),
        ({"name": " "}, Reason.VALIDATION_FAILED, "items[0].name"),
        ({"meter": None}, Reason.VALIDATION_FAILED, "items[0].meter"),
        ({"meter": "log_byte"}, Reason.VALIDATION_FAILED, "items[0].meter"),
        ({"period": None}, Reason.VALIDATION_FAILED, "items[0].period"),
        ({"period": "year"}, Reason.VALIDATION_FAILED, "items[0].period"),
        ({"mode": "firm"}, Reason.VALIDATION_FAILED, "items[0].mode"),
        ({"limit": None}, Reason.VALIDATION_FAILED, "items[0].limit"),
        ({"limit": 0}, Reason.OUT_OF_RANGE, "items[0].limit"),
        ({"limit": 9_000_000_000_000_001}, Reason.OUT_OF_RANGE, "items[0].limit"),
        ({"meter": "check_runs", "mode": "hard"}, Reason.OUT_OF_RANGE, "items[0].mode"),
        ({"meter": "notifications_sent", "mode": "hard"}, Reason.OUT_OF_RANGE, "items[0].mode"),
        ({"thresholds": (1, 2, 3, 4, 5, 6)}, Reason.VALIDATION_FAILED, "items[0].alertThresholds"),
        ({"thresholds": (80, 80)}, Reason.VALIDATION_FAILED, "items[0].alertThresholds"),
        ({"thresholds": (0,)}, Reason.OUT_OF_RANGE, "items[0].alertThresholds[0]"),
        ({"thresholds": (101,)}, Reason.OUT_OF_RANGE, "items[0].alertThresholds[0]"),
    ],
)
def test_read_drafts_with_one_fault(sent: dict[str, Any], reason: Reason, path: str) -> None:
    """Each rule has its place, and numbers out of range are told apart from wrong values."""
    values, found, faults = read(RIGHT | sent)
    assert (values, found, [fault.path for fault in faults]) == ([], reason, [path])


@pytest.mark.parametrize("sent", [{"limit": 1}, {"limit": 9_000_000_000_000_000}, {"thresholds": ()}, {"thresholds": (1, 100)}])
def test_read_drafts_at_the_limits(sent: dict[str, Any]) -> None:
    """The outermost values are right."""
    assert read(RIGHT | sent)[1] is None


def test_read_drafts_of_a_gauge() -> None:
    """A period means nothing to a gauge, whatever it is."""
    for period in (None, "day", "year"):
        assert read(RIGHT | {"meter": "file_bytes", "mode": "hard", "period": period})[1] is None


def test_read_drafts_names_every_fault() -> None:
    """Several items with several faults are told of at once."""
    _, _, faults = read({}, RIGHT | {"limit": 0})
    assert [fault.path for fault in faults] == ["items[0].meter", "items[0].period", "items[0].limit", "items[0].name", "items[1].limit"]


def test_read_drafts_too_many_or_twice() -> None:
    """There may be fifty, each id once."""
    assert read(*[RIGHT] * 50)[1] is None
    assert read(*[RIGHT] * 51)[2] == [Fault("items", "must have at most 50 entries")]
    assert [fault.path for fault in read(*[RIGHT | {"id": "x"}] * 2)[2]] == ["items[0].id", "items[1].id"]
