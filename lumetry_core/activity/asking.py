"""What may be asked of the feed (contract workspace 11.1)."""

from lumetry_core.activity.model import ACTIONS, ItemFilter
from lumetry_core.runtime.errors import Faults

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_SEARCH = 200
MAX_MACHINE = 300


def check_asked(wanted: ItemFilter, limit: int | None) -> int:
    """The items of a page. Fails with VALIDATION_FAILED (`kinds`, `search`, `machine`), OUT_OF_RANGE (`limit`).

    Args:
        limit: None: the usual one.
    """
    faults = Faults()
    unknown = sorted(wanted.kinds - ACTIONS.keys())
    faults.check(not unknown, "kinds", f"{', '.join(unknown)!r} must be some of {', '.join(ACTIONS)}")
    for path, text, longest in (("search", wanted.search, MAX_SEARCH), ("machine", wanted.machine or "", MAX_MACHINE)):
        faults.check(len(text) <= longest and "\0" not in text, path, f"must have at most {longest} characters, none NUL")
    faults.check_range(limit is None or 1 <= limit <= MAX_LIMIT, "limit", f"must be between 1 and {MAX_LIMIT}")
    faults.raise_if_any()
    return DEFAULT_LIMIT if limit is None else limit
