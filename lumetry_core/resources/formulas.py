"""What two statistics of a container come to, computed as the runtime's own statistics command does. Pure."""

from datetime import datetime

from lumetry_core.containers.engine import Stats
from lumetry_core.resources.model import Latest, Sample

LARGEST = 2**63 - 1
"""Runtimes say the largest unsigned number where they mean no limit."""
NS_PER_SECOND = 1e9


def derive(container_id: int, before: Stats, after: Stats, host_memory: int, now: datetime) -> Latest | None:
    """What a container used between two statistics; None when it was started anew between them.

    Args:
        host_memory: Bytes; what a container without limit may use. 0: not known.
        now: Time of the later one, by our own clock.
    """
    if after.cpu_total_ns < before.cpu_total_ns or after.cpu_system_ns < before.cpu_system_ns:
        return None
    sample = Sample(
        container_id=container_id,
        time=now,
        cpu_percent=cpu_percent(before, after),
        memory_used=bounded(memory_in_use(after)),
        memory_limit=memory_limit(after.memory_limit, host_memory),
        net_rx_bytes=bounded(after.net_rx_bytes),
        net_tx_bytes=bounded(after.net_tx_bytes),
        block_read_bytes=bounded(after.block_read_bytes),
        block_write_bytes=bounded(after.block_write_bytes),
    )
    seconds = (after.time - before.time).total_seconds()
    return Latest(
        sample=sample,
        cpu_count=after.online_cpus,
        net_rx_rate=rate_of(before.net_rx_bytes, after.net_rx_bytes, seconds),
        net_tx_rate=rate_of(before.net_tx_bytes, after.net_tx_bytes, seconds),
    )


def cpu_percent(before: Stats, after: Stats) -> float:
    """Percent of one processor, to two decimals. Where the host's time is not told, the clock tells it."""
    used = after.cpu_total_ns - before.cpu_total_ns
    passed = float(after.cpu_system_ns - before.cpu_system_ns)
    if not after.cpu_system_ns:
        passed = (after.time - before.time).total_seconds() * NS_PER_SECOND * after.online_cpus
    return round(100.0 * used / passed * after.online_cpus, 2) if used > 0 and passed > 0 else 0.0


def memory_in_use(stats: Stats) -> int:
    """Memory without the file pages that the kernel would give back first; a nonsensical number of those is left aside."""
    inactive = stats.memory_inactive_file
    return stats.memory_usage - inactive if 0 < inactive < stats.memory_usage else stats.memory_usage


def memory_limit(limit: int, host_memory: int) -> int:
    """What a container may use: without a limit, or with one that its host cannot give, the host's memory."""
    if host_memory > 0 and not 0 < limit <= host_memory:
        return host_memory
    return bounded(limit)


def rate_of(before: int, after: int, seconds: float) -> float:
    """Per second between two values of a counter; 0 when it began anew."""
    return round((after - before) / seconds, 2) if seconds > 0 and after > before else 0.0


def bounded(value: int) -> int:
    """A number that the store can hold."""
    return min(max(value, 0), LARGEST)
