import os
import stat
from pathlib import Path

from lumetry_core.files.storage import Storage


def names(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_settle_moves_an_upload_to_its_place(tmp_path: Path) -> None:
    """Bytes are hashed while they come, lie under the file's id, and are readable by nobody else."""
    storage = Storage(tmp_path / "a" / "files")
    upload = storage.begin()
    assert names(storage.root) == [f"incoming/{upload.id}"]
    upload.write(b"hello ")
    upload.write(b"world")
    storage.settle(upload, 7)
    storage.release(upload, keep=True)
    place = storage.place(7, upload.id)
    assert (upload.size, upload.head, upload.digest.hexdigest()[:8]) == (11, b"hello world", "b94d27b9")
    assert (names(storage.root), place.read_bytes()) == ([f"7/{upload.id[:2]}/{upload.id}"], b"hello world")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (storage.root, *place.parents[:2])}
    assert (modes, stat.S_IMODE(place.stat().st_mode)) == ({0o700}, 0o600)
    assert list(storage.list_places(7)) == [upload.id]


def test_release_leaves_nothing_of_what_is_not_kept(tmp_path: Path) -> None:
    """An upload that fails is gone, whether or not it was at its place."""
    storage = Storage(tmp_path)
    early, late = storage.begin(), storage.begin()
    storage.settle(late, 7)
    storage.release(early, keep=False)
    storage.release(late, keep=False)
    assert names(tmp_path) == []


def test_drop_broken_spares_what_somebody_writes(tmp_path: Path) -> None:
    """Uploads whose process is gone are dropped; those under way, of whatever process, stay."""
    storage = Storage(tmp_path)
    left, written = storage.begin(), storage.begin()
    os.close(left.descriptor)  # as the end of a process does
    assert storage.drop_broken() == 1
    assert names(tmp_path) == [f"incoming/{written.id}"]
    storage.release(written, keep=False)


def test_is_settled_when_the_upload_is_over(tmp_path: Path) -> None:
    """Bytes at their place count as settled once nobody holds them any more."""
    storage = Storage(tmp_path)
    upload = storage.begin()
    storage.settle(upload, 7)
    assert not storage.is_settled(7, upload.id)
    storage.release(upload, keep=True)
    assert storage.is_settled(7, upload.id)
    assert not storage.is_settled(7, "unknown")
