import uuid

import numpy as np

from lumetry_core.logs.entry_id import IdRun, IdSource, expand_run, from_text, receive_ms, to_bytes, to_text


def test_run_is_of_version_seven() -> None:
    """Identities are well-formed UUIDs whose time is that of the arrival."""
    identity = IdSource().take(1_780_300_800_123, 1).first_id
    read = uuid.UUID(bytes=identity)
    assert (read.version, read.variant, int.from_bytes(identity[:6], "big")) == (7, uuid.RFC_4122, 1_780_300_800_123)


def test_runs_ascend() -> None:
    """Within a run, from run to run of one millisecond, and when the clock goes back."""
    source = IdSource()
    runs = [source.take(ms, 3) for ms in (1000, 1000, 1001, 999)]
    identities = [run.id_at(position) for run in runs for position in range(3)]
    assert identities == sorted(set(identities))


def test_expand_run_across_its_halves() -> None:
    """A run follows from its first identity, also where the count leaves the lower half."""
    run = IdRun(5, (1 << 20) - 2, 77, 5)
    highs, lows = expand_run(run.first_id, 5)
    assert [to_bytes(int(high), int(low)) for high, low in zip(highs, lows, strict=True)] == [run.id_at(position) for position in range(5)]
    assert (run.last_id, receive_ms(int(highs[0]))) == (run.id_at(4), 5)
    assert np.all(np.diff(highs.astype(np.int64)) >= 0)


def test_text_of_an_identity() -> None:
    """Canonical text only, in either case."""
    identity = IdRun(5, 0, 1, 1).first_id
    assert from_text(to_text(identity)) == from_text(to_text(identity).upper()) == identity
    assert [from_text(text) for text in ("", "x", to_text(identity).replace("-", ""), f"{{{to_text(identity)}}}")] == [None] * 4
