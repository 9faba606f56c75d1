"""Lists alerts as the `monitoring` family sees them: of every source and severity (contract monitoring 9.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.spelling import SOURCES
from lumetry_core.alerts.store.listing import FeedFilter, select_page
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
STATUSES = ("active", "resolved", "silenced")
SEVERITY_OF = {severity.value.lower(): severity for severity in Severity}


@dataclass(frozen=True, slots=True, kw_only=True)
class PageQuery:
    """What people ask for, unchecked, in the contract's words. Empty keeps all; limit 0 is the default."""

    sources: Sequence[str] = ()
    severities: Sequence[str] = ()
    status: str = ""
    before: datetime | None = None
    before_id: int | None = None
    limit: int = 0


async def list_page(tx: Transaction, caller: Caller, query: PageQuery) -> tuple[list[Alert], bool]:
    """A page, newest first by start and then by number, and whether there are more.

    Fails with VALIDATION_FAILED (`source`, `severity`, `status`, `limit`, `before_id`).
    """
    faults = Faults()
    faults.check(set(query.sources) <= set(SOURCES), "source", f"must be a list of {', '.join(SOURCES)}")
    faults.check(set(query.severities) <= SEVERITY_OF.keys(), "severity", f"must be a list of {', '.join(reversed(SEVERITY_OF))}")
    faults.check(query.status in ("", *STATUSES), "status", f"must be one of {', '.join(STATUSES)}")
    faults.check(0 <= query.limit <= MAX_LIMIT, "limit", f"must be between 1 and {MAX_LIMIT}")
    faults.check(query.before_id is None or query.before is not None, "before_id", "needs before")
    faults.raise_if_any()
    wanted = FeedFilter(
        sources=tuple(query.sources),
        severities=tuple(SEVERITY_OF[word] for word in query.severities),
        status=query.status,
        before=query.before,
        before_id=query.before_id,
    )
    limit = query.limit or DEFAULT_LIMIT
    found = await select_page(tx, caller.organization_id, wanted, limit + 1)
    return found[:limit], len(found) > limit


async def list_active(tx: Transaction, caller: Caller) -> list[Alert]:
    """All alerts that are active and not silenced, newest first."""
    return await select_page(tx, caller.organization_id, FeedFilter(status="active"), None)
