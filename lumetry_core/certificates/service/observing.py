"""What HTTPS checks of endpoints see of certificates (contract monitoring 7.3); called in the transactions that record these checks."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from lumetry_core.certificates.assessing import Assessment, assess, is_news
from lumetry_core.certificates.hostnames import HostError, read_target, spell_url
from lumetry_core.certificates.model import DEFAULT_INTERVAL_SECONDS, DEFAULT_THRESHOLDS, Check, Monitor, Observation, Source
from lumetry_core.certificates.service.recording import move_alerts, record
from lumetry_core.certificates.service.removing import UNOBSERVED, remove
from lumetry_core.certificates.store import checks as check_store
from lumetry_core.certificates.store import monitors as store
from lumetry_core.certificates.store import observers as observer_store
from lumetry_core.certificates.telling import tell_monitor
from lumetry_core.feed.service import tell
from lumetry_core.runtime.database import Transaction

Target = tuple[str, int]


async def observe(tx: Transaction, organization_id: int, observations: Sequence[Observation], now: datetime) -> None:
    """Takes what HTTPS checks saw, in few statements however many there are.

    A certificate that is seen first gets a monitor of its own. Each observation refreshes the monitor; one that differs from the latest
    check becomes one of its own, and otherwise one in each of the monitor's intervals. Hosts that people or labels have watched are left to
    these monitors, which are checked by themselves. Of several observations of one host the last counts.
    """
    last = {target: each for each in observations if (target := read_observed(each)) is not None}
    if not last:
        return
    known = await read_known(tx, organization_id, last)
    for target in last.keys() - known.keys():
        if last[target].presented.chain and (made := await add_monitor(tx, organization_id, target, last[target], now)) is not None:
            known[target] = made
    if await note_observers(tx, organization_id, observations, known, now):
        known = await read_known(tx, organization_id, last)
    mine = [(adopt(known[target], each), each) for target, each in last.items() if target in known and known[target].source is Source.AUTO]
    latest = await check_store.read_checks(tx, organization_id, [each.latest_check_id for each, _ in mine if each.latest_check_id])
    assessed = [assess(monitor, each.presented, now) for monitor, each in mine]
    news = [each for each in assessed if is_new(each, known, latest.get(each.before.latest_check_id or 0))]
    await record(tx, organization_id, news, now)
    written = {each.before.id for each in news}
    rest = [each for each in assessed if each.before.id not in written]
    await store.touch(tx, organization_id, [each.before.id for each in rest], now)
    await move_alerts(tx, organization_id, rest, now)  # a person may have closed one whose condition stands


async def read_known(tx: Transaction, organization_id: int, targets: Collection[Target]) -> dict[Target, Monitor]:
    """The monitors of hosts, which nobody else changes until the transaction ends."""
    found = await store.read_targets(tx, organization_id, {host for host, _ in targets}, lock=True)
    return {(each.hostname, each.port): each for each in found}


async def release_endpoints(tx: Transaction, organization_id: int, endpoint_ids: Collection[int], now: datetime) -> None:
    """Endpoints are gone, or no longer checked by HTTPS: certificates that nobody else sees go with them."""
    seen = await observer_store.read_observed(tx, organization_id, endpoint_ids)
    if not seen:
        return
    await observer_store.delete_observers(tx, organization_id, seen)
    await drop_unobserved(tx, organization_id, set(seen.values()), now)


def read_observed(observation: Observation) -> Target | None:
    """The host and port of an observation in their one spelling; None when the host cannot have one."""
    try:
        host, _ = read_target(spell_url(observation.hostname, observation.port))
    except HostError:
        return None
    return host, observation.port


async def add_monitor(tx: Transaction, organization_id: int, target: Target, seen: Observation, now: datetime) -> Monitor | None:
    """A monitor for a certificate that was seen first; None when somebody else has just made one."""
    monitor = Monitor(
        id=0,
        organization_id=organization_id,
        hostname=target[0],
        port=target[1],
        source=Source.AUTO,
        check_interval_seconds=DEFAULT_INTERVAL_SECONDS,
        warning_thresholds=DEFAULT_THRESHOLDS,
        endpoint_id=seen.endpoint_id,
        container=seen.container,
        alert_channels=seen.alert_channels,
        inherited_node_id=seen.topology_node_id,
        create_time=now,
    )
    number = await store.insert_monitor(tx, monitor)
    if number is None:
        return None
    made = replace(monitor, id=number)
    await tell(tx, organization_id, [tell_monitor("certificate.created", made)], now)
    return made


async def note_observers(
    tx: Transaction, organization_id: int, observations: Sequence[Observation], known: dict[Target, Monitor], now: datetime
) -> bool:
    """Remembers which endpoint sees which monitor; those that nobody sees any more go. True when monitors changed by it."""
    targets = {each.endpoint_id: read_observed(each) for each in observations}
    sees = {endpoint: known[target].id for endpoint, target in targets.items() if target is not None and target in known}
    before = await observer_store.read_observed(tx, organization_id, sees)
    changed = {endpoint: monitor for endpoint, monitor in sees.items() if before.get(endpoint) != monitor}
    await observer_store.write_observed(tx, organization_id, changed)
    left = {before[endpoint] for endpoint in changed if endpoint in before}
    if left:
        await drop_unobserved(tx, organization_id, left, now)
    return bool(left)


async def drop_unobserved(tx: Transaction, organization_id: int, monitor_ids: Collection[int], now: datetime) -> None:
    """Of these monitors, those that HTTPS checks made go when none sees them any more; others belong to one that does."""
    seen = await observer_store.find_observers(tx, organization_id, monitor_ids)
    monitors = (await store.read_monitors(tx, organization_id, monitor_ids, lock=True)).values()
    mine = [each for each in monitors if each.source is Source.AUTO]
    handed_on = [replace(each, endpoint_id=seen[each.id]) for each in mine if each.id in seen and each.endpoint_id != seen[each.id]]
    await store.update_monitors(tx, handed_on)
    await remove(tx, organization_id, [each for each in mine if each.id not in seen], UNOBSERVED, now)


def adopt(monitor: Monitor, seen: Observation) -> Monitor:
    """A monitor with what the endpoint that it belongs to tells of itself; other endpoints of the same host change nothing."""
    if monitor.endpoint_id not in (None, seen.endpoint_id):
        return monitor
    return replace(
        monitor,
        endpoint_id=seen.endpoint_id,
        container=seen.container,
        alert_channels=seen.alert_channels,
        inherited_node_id=seen.topology_node_id,
    )


def is_new(assessment: Assessment, known: dict[Target, Monitor], latest: Check | None) -> bool:
    """Whether a look is worth a check, or what belongs to its monitor has changed."""
    monitor = assessment.before
    return monitor != known[monitor.hostname, monitor.port] or is_news(assessment, latest)
