"""The six filters of both snapshots (contract workspace 11.1)."""

from collections.abc import Sequence
from dataclasses import dataclass

from lumetry_core.activity.model import ACTIONS
from lumetry_core.runtime.errors import Faults

MAX_LIMIT = 200
MAX_SEARCH = 200
MAX_MACHINE = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Filters as they were sent; what is empty or None was not."""

    kinds: Sequence[str] = ()
    agent: str = ""
    """UUID or slug."""
    project: str = ""
    """UUID or slug."""
    machine: str = ""
    search: str = ""
    limit: int | None = None
    cursor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Filters that were found to be good; None: not asked for."""

    kinds: tuple[str, ...] = ()
    """In the order of the contract, each once."""
    agent_id: str | None = None
    project_id: str | None = None
    machine: str | None = None
    search: str | None = None
    limit: int


def read_kinds(asked: Asked, default_limit: int) -> tuple[tuple[str, ...], int]:
    """The kinds and the limit, and whether all that needs no look into the database is good. Fails with VALIDATION_FAILED, OUT_OF_RANGE."""
    faults = Faults()
    wanted = {kind.strip() for kind in asked.kinds} - {""}
    for kind in sorted(wanted - ACTIONS.keys()):
        faults.add("kind", f"{kind!r} is not one of {', '.join(ACTIONS)}")
    for path, text, longest in (("search", asked.search, MAX_SEARCH), ("machine", asked.machine, MAX_MACHINE)):
        faults.check(len(text) <= longest, path, f"must have at most {longest} characters")
        faults.check("\0" not in text, path, "must not contain U+0000")
    faults.check_range(asked.limit is None or 1 <= asked.limit <= MAX_LIMIT, "limit", f"must be between 1 and {MAX_LIMIT}")
    faults.raise_if_any()
    return tuple(kind for kind in ACTIONS if kind in wanted), asked.limit or default_limit


def has_part(search: str | None, *texts: str | None) -> bool:
    """Whether any text contains what is searched for, without case."""
    return search is None or any(search.casefold() in text.casefold() for text in texts if text)


def is_named(name: str | None, *texts: str | None) -> bool:
    """Whether any text is the name, without case."""
    return name is None or any(name.casefold() == text.casefold() for text in texts if text)
