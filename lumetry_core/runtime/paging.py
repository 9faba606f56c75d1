"""Limits of lists, the same everywhere (contract lumetry 1.6)."""

from dataclasses import dataclass

from lumetry_core.runtime.errors import Faults

MAX_PAGE_SIZE = 200
MAX_LIMIT = 5000
DEFAULT_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list: its number from 1 and its size."""

    number: int
    size: int

    @property
    def offset(self) -> int:
        """Rows before the page."""
        return (self.number - 1) * self.size


def read_page(page: int, page_size: int, *, default_size: int, faults: Faults) -> Page:
    """Reads the page of a request, 0 meaning the default; notes faults under `page` and `pageSize`."""
    faults.check(page >= 0, "page", "must be at least 1")
    faults.check(0 <= page_size <= MAX_PAGE_SIZE, "pageSize", f"must be between 1 and {MAX_PAGE_SIZE}")
    return Page(page or 1, page_size or default_size)


def read_limit(limit: int, *, faults: Faults, default: int = DEFAULT_LIMIT) -> int:
    """Reads the limit of a request, 0 meaning the default; notes a fault under `limit`."""
    faults.check(0 <= limit <= MAX_LIMIT, "limit", f"must be between 1 and {MAX_LIMIT}")
    return limit or default
