"""Online backup and offline restore of the whole deployment's data.

SQLite: the file is a complete database, copied from one snapshot while the server runs. PostgreSQL: the file is a custom-format dump made
by the server's own `pg_dump`.
"""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import URL, make_url


class BackupError(Exception):
    """The backup or restore could not be done; nothing was changed."""


def backup(url: str, target: Path) -> None:
    """Writes a consistent copy to `target`, which appears only when it is complete.

    Raises:
        BackupError: The target exists, or the copy failed.
    """
    if target.exists():
        raise BackupError(f"{target} exists already.")
    parsed = make_url(url)
    partial = target.with_name(target.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        if parsed.get_backend_name() == "postgresql":
            run_postgres("pg_dump", "--format=custom", f"--file={partial}", parsed)
        else:
            copy_sqlite(Path(parsed.database or ""), partial)
    except BackupError:
        partial.unlink(missing_ok=True)
        raise
    partial.chmod(0o600)
    make_durable(partial)
    partial.rename(target)
    make_durable(target.parent)


def restore(url: str, source: Path) -> None:
    """Replaces the database by a backup. The server must not run.

    Raises:
        BackupError: The backup is missing or damaged, or the database is in use.
    """
    if not source.exists():
        raise BackupError(f"{source} does not exist.")
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        run_postgres("pg_restore", "--clean", "--if-exists", "--single-transaction", "--no-owner", str(source), parsed)
        return
    check_sqlite(source)
    target = Path(parsed.database or "")
    partial = target.with_name(target.name + ".restoring")
    shutil.copyfile(source, partial)
    partial.chmod(0o600)
    make_durable(partial)
    for suffix in ("-wal", "-shm"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)
    partial.rename(target)
    make_durable(target.parent)


def copy_sqlite(source: Path, target: Path) -> None:
    """Copies a live database through SQLite's backup interface."""
    if not source.exists():
        raise BackupError(f"There is no database at {source}.")
    try:
        with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=30)) as origin, closing(sqlite3.connect(target)) as copy:
            # In one step: between steps a write of the server would make it start anew, on a busy server for ever. WAL lets writers go on.
            origin.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise BackupError(f"The database could not be copied: {error}") from error


def check_sqlite(path: Path) -> None:
    """Fails unless the file is a sound SQLite database of this product."""
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            verdict = connection.execute("PRAGMA quick_check").fetchone()[0]
            connection.execute("SELECT version_num FROM alembic_version")
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise BackupError(f"{path} is not a backup of Lumetry: {error}") from error
    if verdict != "ok":
        raise BackupError(f"{path} is damaged: {verdict}")


def run_postgres(program: str, *options: str | URL) -> None:
    """Runs a PostgreSQL client program; the address is the last option, the password travels in the environment."""
    *flags, url = options
    if not isinstance(url, URL):
        raise TypeError("the address comes last")
    found = shutil.which(program)
    if found is None:
        raise BackupError(f"{program} is not installed; it comes with PostgreSQL's client programs.")
    # Not `set`: it takes None for "as it is", and a masked password in the address would win over the environment.
    address = url._replace(drivername="postgresql", password=None).render_as_string()
    environment = {**os.environ, "PGPASSWORD": url.password or ""}
    done = subprocess.run([found, *map(str, flags), f"--dbname={address}"], env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise BackupError(f"{program} failed: {done.stderr.strip()}")


def make_durable(path: Path) -> None:
    """Waits until a file or folder is on stable storage."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
