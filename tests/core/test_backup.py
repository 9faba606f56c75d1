import asyncio
import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from lumetry_core.backup import BackupError, backup, restore
from lumetry_core.config import Config
from lumetry_core.maintenance import restore_backup
from lumetry_core.runtime.database import open_database
from lumetry_core.runtime.queue import enqueue, work_items
from lumetry_core.supervisor import lock
from tests.conftest import run_in_thread

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


async def add_items(url: str, *numbers: object) -> None:
    """Commits items, each in a transaction of its own."""
    database = open_database(url)
    for number in numbers:
        async with database.write() as tx:
            await enqueue(tx, 7, "kept", [("item", number)], NOW)
    await database.close()


async def count_items(url: str) -> int:
    database = open_database(url)
    async with database.read() as tx:
        count: int = (await tx.execute(select(func.count()).select_from(work_items))).scalar_one()
    await database.close()
    return count


def needs_clients(url: str) -> None:
    if url.startswith("postgresql") and shutil.which("pg_dump") is None:
        pytest.skip("PostgreSQL's client programs are not installed")


async def test_restore_brings_back_what_was_there_at_the_backup(database_url: str, tmp_path: Path) -> None:
    """Everything committed before the backup is back; what came later is gone. The copy is readable by its owner alone."""
    needs_clients(database_url)
    copy = tmp_path / "copy"
    await add_items(database_url, 1, 2)
    backup(database_url, copy)
    await add_items(database_url, 3)
    assert await count_items(database_url) == 3
    restore(database_url, copy)
    assert await count_items(database_url) == 2
    await add_items(database_url, 3)
    assert await count_items(database_url) == 3
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert not [*tmp_path.glob("*.partial"), *tmp_path.glob("*.restoring")]  # noqa: ASYNC240 -- a test waits for nobody


async def test_backup_while_writes_go_on_is_a_moment_of_the_past(database_url: str, tmp_path: Path) -> None:
    """A copy of a large database made under load ends, and holds what was committed before it began and a prefix of what followed."""
    needs_clients(database_url)
    await add_items(database_url, *range(20))
    await add_items(database_url, *(bytes(2_000_000) for _ in range(4)))
    done = asyncio.Event()
    written = 24

    async def write() -> None:
        nonlocal written
        while not done.is_set():
            await add_items(database_url, written)
            written += 1

    writing = asyncio.create_task(write())
    copies = [tmp_path / f"copy-{number}" for number in range(3)]
    spans = []
    for copy in copies:
        before = written
        async with asyncio.timeout(60):
            await asyncio.to_thread(backup, database_url, copy)
        spans.append((before, written + 1))
    done.set()
    await writing
    assert written > 24
    for copy, (before, after) in zip(copies, spans, strict=True):
        restore(database_url, copy)
        database = open_database(database_url)
        async with database.read() as tx:
            numbers = (await tx.execute(select(work_items.c.id).order_by(work_items.c.id))).scalars().all()
        await database.close()
        assert before <= len(numbers) <= after
        assert numbers == list(range(1, len(numbers) + 1))


def test_backup_keeps_an_existing_file(sqlite_url: str, tmp_path: Path) -> None:
    """Nothing is ever overwritten."""
    copy = tmp_path / "copy"
    copy.write_text("mine")
    with pytest.raises(BackupError, match="exists already"):
        backup(sqlite_url, copy)
    assert copy.read_text() == "mine"


def test_backup_without_a_database_leaves_no_file(tmp_path: Path) -> None:
    """A path that is mistyped is a failure, not an empty backup."""
    with pytest.raises(BackupError, match="no database"):
        backup(f"sqlite:///{tmp_path}/lumetry.db", tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def test_backup_into_a_missing_folder_fails(sqlite_url: str, tmp_path: Path) -> None:
    """The failure is told in words."""
    with pytest.raises(BackupError):
        backup(sqlite_url, tmp_path / "missing" / "copy")


def test_backup_of_a_damaged_database_leaves_no_file(tmp_path: Path) -> None:
    """What cannot be copied whole is not copied at all."""
    source = tmp_path / "lumetry.db"
    source.write_bytes(b"This is not a database. " * 1000)
    with pytest.raises(BackupError, match="could not be copied"):
        backup(f"sqlite:///{source}", tmp_path / "copy")
    assert list(tmp_path.iterdir()) == [source]


def truncate_file(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def scramble_file(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for position in range(4096, len(content), 3):
        content[position] ^= 0xFF
    path.write_bytes(content)


def replace_file(path: Path) -> None:
    path.write_text("This is not a backup.")


def empty_file(path: Path) -> None:
    path.write_bytes(b"")


def replace_by_foreign_database(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE songs (title)")
    connection.close()


DAMAGES = [truncate_file, scramble_file, replace_file, empty_file, replace_by_foreign_database]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_restore_of_a_damaged_file_changes_nothing(database_url: str, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """A backup that is not whole is refused, and the database stays as it was."""
    needs_clients(database_url)
    copy = tmp_path / "copy"
    await add_items(database_url, 1)
    backup(database_url, copy)
    await add_items(database_url, 2)
    damage(copy)
    with pytest.raises(BackupError):
        restore(database_url, copy)
    assert await count_items(database_url) == 2
    await add_items(database_url, 3)
    assert await count_items(database_url) == 3


async def test_restore_of_a_missing_file_changes_nothing(database_url: str, tmp_path: Path) -> None:
    """A path that is mistyped is told."""
    await add_items(database_url, 1)
    with pytest.raises(BackupError, match="does not exist"):
        restore(database_url, tmp_path / "copy")
    assert await count_items(database_url) == 1


async def test_restore_replaces_what_a_crashed_server_left(sqlite_url: str, tmp_path: Path) -> None:
    """A write-ahead log of the replaced database is not applied to the restored one."""
    copy, path = tmp_path / "copy", Path(sqlite_url.removeprefix("sqlite:///"))
    await add_items(sqlite_url, 1)
    backup(sqlite_url, copy)
    database = open_database(sqlite_url)
    async with database.write() as tx:
        await enqueue(tx, 7, "kept", [("item", number) for number in range(1000)], NOW)
    left = {suffix: path.with_name(path.name + suffix).read_bytes() for suffix in ("", "-wal", "-shm")}
    await database.close()
    for suffix, content in left.items():
        path.with_name(path.name + suffix).write_bytes(content)
    assert len(left["-wal"]) > 0
    restore(sqlite_url, copy)
    assert await count_items(sqlite_url) == 1


def test_restore_backup_is_refused_while_a_server_runs(tmp_path: Path, sqlite_template: Path) -> None:
    """A running deployment is not replaced underneath; a stopped one is, and is brought to the newest schema."""
    config = Config(data_dir=tmp_path / "data")
    copy = tmp_path / "copy"
    backup(f"sqlite:///{sqlite_template}", copy)
    config.data_dir.mkdir()
    for role in ("serve", "core"):
        with lock(config.data_dir, role) as free:
            assert free
            with pytest.raises(BackupError, match="stop it first"):
                restore_backup(config, copy)
    run_in_thread(lambda: restore_backup(config, copy))
    assert asyncio.run(count_items(config.effective_database_url)) == 0


RECORD = """#!/usr/bin/env python3
import json, os, sys
json.dump({"arguments": sys.argv[1:], "password": os.environ.get("PGPASSWORD")}, open(os.environ["RECORD"], "w"))
[file] = [argument.partition("=")[2] for argument in sys.argv if argument.startswith("--file=")]
open(file, "w").close()
"""


def test_backup_gives_the_password_to_pg_dump_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The password is not among the arguments, which every user of the machine can see, and reaches the program whole."""
    program = tmp_path / "pg_dump"
    program.write_text(RECORD)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("RECORD", str(tmp_path / "record"))
    backup("postgresql://me:b%40ttery%2Fhorse@db.example:6432/lumetry?sslmode=require", tmp_path / "copy")
    assert json.loads((tmp_path / "record").read_text()) == {
        "arguments": [
            "--format=custom",
            f"--file={tmp_path}/copy.partial",
            "--dbname=postgresql://me@db.example:6432/lumetry?sslmode=require",
        ],
        "password": "b@ttery/horse",
    }


def test_backup_leaves_no_file_when_pg_dump_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the program had written by then is taken away, and what it said is told."""
    program = tmp_path / "pg_dump"
    program.write_text(RECORD + 'sys.exit("server closed the connection")\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("RECORD", str(tmp_path / "record"))
    with pytest.raises(BackupError, match="pg_dump failed: server closed the connection"):
        backup("postgresql://db.example/lumetry", tmp_path / "copy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pg_dump", "record"]


def test_backup_without_pg_dump_tells_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match="pg_dump is not installed"):
        backup("postgresql://db.example/lumetry", tmp_path / "copy")
