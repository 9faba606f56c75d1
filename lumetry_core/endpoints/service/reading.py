"""Reading endpoints, their checks and their uptime."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from lumetry_core.endpoints.model import CheckPage, Endpoint, Filter, State
from lumetry_core.endpoints.store import checks as check_store
from lumetry_core.endpoints.store import endpoints as store
from lumetry_core.endpoints.windows import WINDOWS, split
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import LumetryError, not_found
from lumetry_core.uptime.model import DayUptime, MonitorType, share
from lumetry_core.uptime.service import list_days as list_uptime_days
from lumetry_core.uptime.service import sum_days


async def list_endpoints(tx: Transaction, organization_id: int, wanted: Filter) -> list[Endpoint]:
    """The matching endpoints by number."""
    return await store.list_endpoints(tx, organization_id, wanted)


async def get_endpoint(tx: Transaction, organization_id: int, endpoint_id: int) -> Endpoint:
    """One endpoint, active or not. Fails with NOT_FOUND."""
    found = await store.find_endpoint(tx, organization_id, endpoint_id)
    if found is None:
        raise unknown(endpoint_id)
    return found


async def read_uptime(
    tx: Transaction, organization_id: int, endpoint_id: int, checks_kept: timedelta, now: datetime
) -> dict[str, float | None]:
    """Percent of successful checks of each window that ends now; None of a window without checks."""
    uptime: dict[str, float | None] = {}
    for name, window in WINDOWS.items():
        span = split(window, now, checks_kept)
        good, total = await check_store.count_checks(tx, organization_id, endpoint_id, span.start, span.until)
        if span.first_day is not None:
            days = await sum_days(tx, organization_id, MonitorType.ENDPOINT, [endpoint_id], span.first_day)
            of_days = days.get(endpoint_id, (0, 0))
            good, total = good + of_days[0], total + of_days[1]
        uptime[name] = share(good, total)
    return uptime


async def list_checks(
    tx: Transaction, organization_id: int, endpoint_id: int, since: datetime | None, limit: int, offset: int
) -> CheckPage:
    """A page of an endpoint's checks, newest first. Fails with NOT_FOUND."""
    await get_endpoint(tx, organization_id, endpoint_id)
    return await check_store.read_checks(tx, organization_id, endpoint_id, since, limit, offset)


async def list_days(tx: Transaction, organization_id: int, endpoint_id: int, days: int, now: datetime) -> list[DayUptime]:
    """The newest UTC days of an endpoint, newest first. Fails with NOT_FOUND."""
    await get_endpoint(tx, organization_id, endpoint_id)
    return await list_uptime_days(tx, organization_id, MonitorType.ENDPOINT, endpoint_id, days, now)


async def list_recent(tx: Transaction, organization_id: int) -> dict[int, tuple[int, ...]]:
    """The newest response times of each active endpoint, oldest first."""
    return await store.list_recent(tx, organization_id)


async def count_endpoints(tx: Transaction, organization_id: int) -> int:
    """How many endpoints are active."""
    return await store.count_endpoints(tx, organization_id)


async def find_states(tx: Transaction, organization_id: int, ids: Collection[int]) -> dict[int, State]:
    """What others show of endpoints; those that do not exist are left out."""
    found = await store.find_endpoints(tx, organization_id, ids)
    return {number: state_of(endpoint) for number, endpoint in found.items()}


async def list_states(tx: Transaction, organization_id: int, ids: Collection[int]) -> Mapping[int, tuple[str, str]]:
    """Name and status of endpoints; those that do not exist are left out."""
    return {number: (state.name, state.status) for number, state in (await find_states(tx, organization_id, ids)).items()}


async def list_container_endpoints(tx: Transaction, organization_id: int, container_id: int) -> Sequence[Endpoint]:
    """The active endpoints that labels of a container name, by number."""
    found = await store.find_of_containers(tx, organization_id, [container_id])
    return [endpoint for endpoint in found if endpoint.is_active]


def state_of(endpoint: Endpoint) -> State:
    """What others show of an endpoint."""
    return State(endpoint.title, endpoint.progress.status.value, endpoint.is_alerting, endpoint.topology_node_id)


def unknown(endpoint_id: int) -> LumetryError:
    """The failure for an endpoint that the organization does not have."""
    return not_found("Endpoint", endpoint_id)
