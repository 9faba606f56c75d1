import subprocess
import sys
from pathlib import Path

import pytest

from lumetry_core.collectors.agent.buffer import DiskBuffer
from lumetry_core.collectors.agent.frames import FRAME_BYTES, Record, build_frame, read_frames


def take_all(buffer: DiskBuffer, *, max_points: int = 10_000, max_bytes: int = 10_000) -> list[bytes]:
    """Delivers everything and returns the payloads of the chunks."""
    payloads = []
    while (chunk := buffer.peek(max_points, max_bytes)) is not None:
        payloads.append(chunk.payload)
        buffer.commit(chunk)
    return payloads


def fill(buffer: DiskBuffer, *payloads: bytes) -> None:
    for payload in payloads:
        buffer.append(payload, 2)


def test_records_come_back_in_order(tmp_path: Path) -> None:
    """What is appended is read in order, across segments, and then gone from the disk."""
    buffer = DiskBuffer(tmp_path, segment_bytes=40)
    fill(buffer, *(b"%06d" % number for number in range(10)))
    assert buffer.pending_points == 20
    assert b"".join(take_all(buffer)) == b"".join(b"%06d" % number for number in range(10))
    assert buffer.pending_points == 0
    buffer.close()
    DiskBuffer(tmp_path).close()
    assert [path.name for path in tmp_path.iterdir()] == ["cursor.json"]


def test_peek_repeats_until_commit(tmp_path: Path) -> None:
    """Records stay until they are delivered."""
    buffer = DiskBuffer(tmp_path)
    fill(buffer, b"a", b"b")
    first = buffer.peek(100, 100)
    assert first is not None
    assert (first.payload, first.point_count, first.record_count) == (b"ab", 4, 2)
    fill(buffer, b"c")
    assert take_all(buffer) == [b"abc"]
    buffer.commit(first)
    fill(buffer, b"d")
    assert take_all(buffer) == [b"d"]
    buffer.close()


@pytest.mark.parametrize(
    ("max_points", "max_bytes", "max_records", "payload"),
    [
        (4, 100, None, b"aaabbb"),
        (5, 100, None, b"aaabbb"),
        (100, 44, None, b"aaabbb"),
        (100, 45, None, b"aaabbbccc"),
        (100, 100, 1, b"aaa"),
        (1, 1, None, b"aaa"),
    ],
)
def test_peek_respects_limits(tmp_path: Path, max_points: int, max_bytes: int, max_records: int | None, payload: bytes) -> None:
    """Batches end before a limit is passed, but hold at least one record."""
    buffer = DiskBuffer(tmp_path)
    fill(buffer, b"aaa", b"bbb", b"ccc")
    chunk = buffer.peek(max_points, max_bytes, max_records)
    assert chunk is not None
    assert chunk.payload == payload
    buffer.close()


def test_reopening_continues_where_delivery_stopped(tmp_path: Path) -> None:
    """A restart neither loses nor repeats what a clean end left behind, and goes on behind it."""
    buffer = DiskBuffer(tmp_path, segment_bytes=40)
    fill(buffer, b"1", b"2", b"3", b"4")
    chunk = buffer.peek(2, 100)
    assert chunk is not None
    buffer.commit(chunk)
    buffer.close()

    again = DiskBuffer(tmp_path, segment_bytes=40)
    assert again.pending_points == 6
    fill(again, b"5")
    assert b"".join(take_all(again)) == b"2345"
    again.close()


RECORD = build_frame(b"torn", 2)


@pytest.mark.parametrize("kept", range(len(RECORD)))
def test_reopening_ignores_a_torn_last_record(tmp_path: Path, kept: int) -> None:
    """Wherever a crash cuts the last record, all before it is there, and later ones follow."""
    buffer = DiskBuffer(tmp_path)
    fill(buffer, b"one", b"two")
    buffer.close()
    segment = next(tmp_path.glob("*.segment"))
    segment.write_bytes(segment.read_bytes() + RECORD[:kept])

    again = DiskBuffer(tmp_path)
    assert again.pending_points == 4
    fill(again, b"three")
    assert take_all(again) == [b"onetwo", b"three"]
    assert again.dropped_points == 0
    again.close()


def test_peek_skips_damage_and_counts_it(tmp_path: Path) -> None:
    """Bits that rot cost the rest of their segment, which is counted; other segments are delivered."""
    buffer = DiskBuffer(tmp_path, segment_bytes=2 * (FRAME_BYTES + 3))
    fill(buffer, b"one", b"two", b"six")
    segment = min(tmp_path.glob("*.segment"))
    content = bytearray(segment.read_bytes())
    content[-1] ^= 1
    segment.write_bytes(content)
    assert take_all(buffer) == [b"one", b"six"]
    assert (buffer.pending_points, buffer.dropped_points) == (0, 2)
    buffer.close()


def test_append_drops_the_oldest_at_the_cap(tmp_path: Path) -> None:
    """The disk never holds more than the cap; what is dropped is counted, also after a restart."""
    cap = 8 * 10 * (FRAME_BYTES + 8)
    buffer = DiskBuffer(tmp_path, cap_bytes=cap)
    for number in range(200):
        fill(buffer, b"%08d" % number)
        assert sum(path.stat().st_size for path in tmp_path.glob("*.segment")) <= cap
    kept = b"".join(take_all(buffer))
    first = int(kept[:8])
    assert kept == b"".join(b"%08d" % number for number in range(first, 200))
    assert first <= 200 - 70
    assert buffer.dropped_points == 2 * first
    buffer.close()
    again = DiskBuffer(tmp_path)
    assert again.dropped_points == 2 * first
    again.close()


def test_commit_of_records_dropped_meanwhile_changes_nothing(tmp_path: Path) -> None:
    """A batch under way whose segment had to go does not move the cursor of what is left."""
    buffer = DiskBuffer(tmp_path, cap_bytes=4 * (FRAME_BYTES + 4), segment_bytes=FRAME_BYTES + 4)
    fill(buffer, b"aaaa")
    under_way = buffer.peek(100, 100)
    assert under_way is not None
    fill(buffer, b"bbbb", b"cccc", b"dddd", b"eeee")
    buffer.commit(under_way)
    assert buffer.dropped_points == 2
    assert b"".join(take_all(buffer)) == b"bbbbccccddddeeee"
    buffer.close()


def test_discard_counts(tmp_path: Path) -> None:
    """What the server never takes is gone and counted."""
    buffer = DiskBuffer(tmp_path)
    fill(buffer, b"bad", b"good")
    chunk = buffer.peek(100, 100, 1)
    assert chunk is not None
    buffer.discard(chunk)
    assert take_all(buffer) == [b"good"]
    assert buffer.dropped_points == 2
    buffer.close()


def test_append_that_fails_is_counted_and_harms_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk costs the record that did not fit, not those before and after it."""
    buffer = DiskBuffer(tmp_path)
    fill(buffer, b"one")
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fail)
        with pytest.raises(OSError, match="No space left"):
            buffer.append(b"two", 2)
    fill(buffer, b"three")
    assert take_all(buffer) == [b"one", b"three"]
    assert buffer.dropped_points == 2
    buffer.close()


def fail(_descriptor: int) -> None:
    raise OSError(28, "No space left on device")


def test_an_unreadable_cursor_delivers_again(tmp_path: Path) -> None:
    """Without cursor everything kept travels a second time, which changes nothing on the server."""
    buffer = DiskBuffer(tmp_path)
    fill(buffer, b"one", b"two")
    chunk = buffer.peek(2, 100)
    assert chunk is not None
    buffer.commit(chunk)
    buffer.close()
    (tmp_path / "cursor.json").write_bytes(b"")
    again = DiskBuffer(tmp_path)
    assert take_all(again) == [b"onetwo"]
    again.close()


WRITER = """
import sys
from pathlib import Path
from lumetry_core.collectors.agent.buffer import DiskBuffer

buffer = DiskBuffer(Path(sys.argv[1]), segment_bytes=2000)
for number in range(1_000_000):
    buffer.append(b"%08d" % number * 20, 1)
    print(number, flush=True)
"""


def test_kill_loses_at_most_the_record_being_written(tmp_path: Path) -> None:
    """Every record whose append returned is there after kill -9, complete and in order."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    last = -1
    for line in writer.stdout:
        last = int(line)
        if last >= 150:
            writer.kill()
            break
    rest, _ = writer.communicate()
    last = max([last, *map(int, rest.split())])

    buffer = DiskBuffer(tmp_path)
    stored = b"".join(take_all(buffer))
    numbers = [int(stored[start : start + 8]) for start in range(0, len(stored), 160)]
    assert numbers == list(range(len(numbers)))
    assert last + 1 <= len(numbers) <= last + 2
    buffer.close()


def test_read_frames_stops_at_the_first_bad_one() -> None:
    """A record that is damaged ends what can be trusted."""
    good, bad = build_frame(b"good", 1), bytearray(build_frame(b"evil", 1))
    bad[4] ^= 1
    assert list(read_frames(good + bytes(bad) + good, 0)) == [(Record(b"good", 1), len(good))]


def test_records_keep_their_notes(tmp_path: Path) -> None:
    """What the caller wrote on a record comes back with it, also in another process, and counts neither as payload nor as points."""
    buffer = DiskBuffer(tmp_path)
    buffer.append(b"one", 2, b"note")
    buffer.append(b"two", 3)
    buffer.close()
    again = DiskBuffer(tmp_path)
    chunk = again.peek(100, 100)
    again.close()
    assert chunk is not None
    assert chunk.records == (Record(b"one", 2, b"note"), Record(b"two", 3))
    assert (chunk.payload, chunk.point_count) == (b"onetwo", 5)


def test_resize_drops_the_oldest_at_once(tmp_path: Path) -> None:
    """A smaller cap holds from the moment it is set, a larger one lets more in."""
    frame = FRAME_BYTES + 8
    buffer = DiskBuffer(tmp_path, cap_bytes=80 * frame)
    for number in range(80):
        fill(buffer, b"%08d" % number)
    buffer.resize(40 * frame)
    assert buffer.size_bytes <= 40 * frame
    assert buffer.dropped_points + buffer.pending_points == 160
    buffer.resize(80 * frame)
    for number in range(80, 120):
        fill(buffer, b"%08d" % number)
    assert buffer.dropped_points + buffer.pending_points == 240
    kept = b"".join(take_all(buffer))
    assert kept == b"".join(b"%08d" % number for number in range(120 - len(kept) // 8, 120))
    assert len(kept) // 8 >= 70
    buffer.close()


def test_reopening_reads_only_what_the_cursor_does_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full buffer opens at once: after kill -9 only the segment that was being written is read through."""
    buffer = DiskBuffer(tmp_path, segment_bytes=2 * (FRAME_BYTES + 3))
    fill(buffer, b"one", b"two", b"six", b"ten", b"end")
    # no close: the process is killed
    read: list[str] = []
    original = Path.read_bytes

    def note(path: Path) -> bytes:
        read.append(path.name)
        return original(path)

    monkeypatch.setattr(Path, "read_bytes", note)
    again = DiskBuffer(tmp_path)
    assert (again.pending_points, take_all(again)) == (10, [b"onetwo", b"sixten", b"end"])
    assert [name for name in read if name.endswith(".segment")] == ["0000000000000003.segment"]
    again.close()
    buffer.close()
