import pytest

from lumetry.metrics.v1 import ingestion_service_pb2 as pb
from lumetry_core.collectors.agent import columns
from lumetry_core.collectors.agent.columns import ColumnEncoder
from tests.conformance.collector.columns import ColumnReader, UnknownDictionaryError


def make_batch(*points: tuple[str, str, int]) -> pb.IngestMetricsRequest:
    """Points by metric, mount and second."""
    batch = pb.IngestMetricsRequest()
    for metric_key, mount, second in points:
        point = batch.points.add(
            metric_key=metric_key, value=second / 7, labels={"mount": mount, "host.id": "h"}, namespace="host", source="collector"
        )
        point.time.FromSeconds(1_780_000_000 + second)
    return batch


def test_encode_means_the_same() -> None:
    """What a server reads is what was given, in its order, repeated series included."""
    batch = make_batch(("disk", "/", 0), ("disk", "/var", 0), ("load", "/", 1), ("disk", "/", 2))
    columns_of_batch = ColumnEncoder().encode(batch)
    assert len(columns_of_batch.series) == 3
    assert ColumnReader().read(columns_of_batch) == batch


def test_encode_defines_a_series_until_it_is_confirmed() -> None:
    """A request whose answer was lost does no harm; afterwards only new series travel."""
    encoder, reader = ColumnEncoder(), ColumnReader()
    first = make_batch(("disk", "/", 0))
    assert [len(encoder.encode(first).series) for _ in range(2)] == [1, 1]
    sent = encoder.encode(first)
    reader.read(sent)
    encoder.confirm(sent)
    second = make_batch(("disk", "/", 1), ("disk", "/var", 1))
    sent = encoder.encode(second)
    assert [definition.index for definition in sent.series] == [1]
    assert reader.read(sent) == second
    encoder.confirm(sent)
    assert not encoder.encode(second).series


def test_encode_after_a_restart_of_the_server() -> None:
    """A server without memory refuses numbers; after `forget` everything is defined again under another id."""
    encoder = ColumnEncoder()
    batch = make_batch(("disk", "/", 0), ("disk", "/var", 0))
    before = encoder.encode(batch)
    encoder.confirm(before)
    fresh = ColumnReader()
    with pytest.raises(UnknownDictionaryError):
        fresh.read(encoder.encode(batch))
    encoder.forget()
    after = encoder.encode(batch)
    assert after.dictionary_id != before.dictionary_id
    assert fresh.read(after) == batch
    encoder.confirm(before)
    assert len(encoder.encode(batch).series) == 2


def test_encode_gives_up_a_dictionary_that_grew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Series that come and go do not fill the memory of either side."""
    monkeypatch.setattr(columns, "MAX_SERIES", 2)
    encoder, reader = ColumnEncoder(), ColumnReader()
    for second in range(5):
        batch = make_batch(("disk", f"/{second}", second))
        sent = encoder.encode(batch)
        assert reader.read(sent) == batch
        encoder.confirm(sent)
    assert len(reader.dictionaries) == 2
