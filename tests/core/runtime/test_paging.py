import pytest

from lumetry_core.runtime.errors import Fault, Faults, LumetryError
from lumetry_core.runtime.paging import Page, read_limit, read_page


def noted(faults: Faults) -> tuple[Fault, ...]:
    try:
        faults.raise_if_any()
    except LumetryError as error:
        return error.faults
    return ()


@pytest.mark.parametrize(
    ("page", "size", "read", "offset"),
    [(0, 0, Page(1, 25), 0), (1, 1, Page(1, 1), 0), (3, 200, Page(3, 200), 400), (2, 0, Page(2, 25), 25)],
)
def test_read_page_fills_in_defaults(page: int, size: int, read: Page, offset: int) -> None:
    """Zero stands for the default; the offset counts the rows before the page."""
    faults = Faults()
    assert read_page(page, size, default_size=25, faults=faults) == read
    assert (read.offset, noted(faults)) == (offset, ())


def test_read_page_notes_every_fault() -> None:
    """Page and size are both named when both are wrong."""
    faults = Faults()
    read_page(-1, 201, default_size=25, faults=faults)
    read_page(1, -1, default_size=25, faults=faults)
    size = Fault("pageSize", "must be between 1 and 200")
    assert noted(faults) == (Fault("page", "must be at least 1"), size, size)


@pytest.mark.parametrize(("limit", "read"), [(0, 500), (1, 1), (5000, 5000)])
def test_read_limit_fills_in_the_default(limit: int, read: int) -> None:
    """Zero stands for 500 unless the list has a default of its own."""
    faults = Faults()
    assert (read_limit(limit, faults=faults), noted(faults)) == (read, ())
    assert read_limit(0, faults=faults, default=100) == 100


@pytest.mark.parametrize("limit", [-1, 5001])
def test_read_limit_notes_what_is_out_of_range(limit: int) -> None:
    """The limit is 1 to 5000."""
    faults = Faults()
    read_limit(limit, faults=faults)
    assert noted(faults) == (Fault("limit", "must be between 1 and 5000"),)
