"""Which partition a metric belongs to, and how partitions are shared among owners."""

import zlib

SQLITE_PARTITIONS = 1
POSTGRES_PARTITIONS = 16


def partition_of(organization_id: int, metric_key: str, partition_count: int) -> int:
    """The partition of a metric: the same in every process and version."""
    return zlib.crc32(metric_key.encode(), organization_id & 0xFFFFFFFF) % partition_count


def fair_share(partition_count: int, owner_count: int) -> int:
    """How many partitions an owner may hold at most."""
    return -(-partition_count // max(owner_count, 1))
