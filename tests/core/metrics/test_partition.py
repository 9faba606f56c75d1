from lumetry_core.metrics.model import job_id_of, split_job_id
from lumetry_core.metrics.partition import fair_share, partition_of


def test_partition_of_a_metric_never_changes() -> None:
    """The values are part of the stored format."""
    assert [partition_of(7, key, 16) for key in ("cpu.load", "memory.used", "a")] == [5, 10, 0]
    assert partition_of(7, "cpu.load", 1) == 0


def test_fair_share_covers_all_partitions() -> None:
    """Owners together may hold everything."""
    assert [fair_share(16, owners) for owners in (0, 1, 2, 3, 16, 20)] == [16, 16, 8, 6, 1, 1]


def test_job_ids_name_partition_and_offset() -> None:
    """A job's number can be split again."""
    assert split_job_id(job_id_of(15, 123_456)) == (15, 123_456)
