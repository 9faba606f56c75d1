"""Fixtures of every suite: a clock that stands still and a real, empty database of each kind."""

import asyncio
import os
import shutil
import stat
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
import structlog

from lumetry_core.runtime.database import Database, open_database
from lumetry_core.runtime.queue import Wakeups
from tests.polled_servers import guarded_prometheus, mariadb_server, polled_postgres, prometheus_server  # noqa: F401 -- fixtures

# as the product logs: the default renderer draws tracebacks for a terminal, which takes half a second each
structlog.configure(
    processors=[structlog.processors.add_log_level, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
)

MEMORY = Path("/dev/shm")
ROOM_BYTES = 4 << 30
POSTGRES_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))


def pytest_configure() -> None:
    """Puts the databases of tests into memory where there is room: on a disk most of the time would go by waiting for it."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    # Servers that tests start and kill again and again would compile all of their modules each time.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@dataclass
class FakeClock:
    """A clock that moves only when told."""

    moment: datetime = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)

    def now(self) -> datetime:
        """See `Clock.now`."""
        return self.moment

    def advance(self, **span: float) -> datetime:
        """Moves on by a `timedelta(**span)` and tells the new time."""
        self.moment += timedelta(**span)
        return self.moment


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def wakeups() -> Wakeups:
    return Wakeups()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a throw-away PostgreSQL server, or of LUMETRY_TEST_POSTGRES_URL.

    Without an installed server PostgreSQL tests are skipped, except in CI, where that is a failure.
    """
    given = os.environ.get("LUMETRY_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    if not POSTGRES_PROGRAMS:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed, and CI must test on it")
        pytest.skip("PostgreSQL is not installed")
    folder = tmp_path_factory.mktemp("postgres")
    programs = POSTGRES_PROGRAMS[-1].parent
    as_server: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        for parent in (folder, *folder.parents):
            if not parent.stat().st_mode & stat.S_IXOTH:
                parent.chmod(parent.stat().st_mode | 0o055)
        shutil.chown(folder, "postgres")
        as_server = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    data = folder / "data"

    def run(*command: str) -> None:
        subprocess.run([*as_server, *command], check=True, cwd=folder, capture_output=True)

    run(str(programs / "initdb"), "-D", str(data), "-A", "trust", "-U", "lumetry", "--no-sync")
    settings = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c max_connections=200"
    run(str(programs / "pg_ctl"), "-D", str(data), "-w", "-o", settings, "-l", str(folder / "log"), "start")
    yield f"postgresql://lumetry@/postgres?host={folder}"
    run(str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop")


async def run_on_server(server: str, statement: str) -> None:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def copy_database(server: str, template: str, name: str) -> None:
    """Makes a database like another, file by file where the server knows how: ten times faster than by its log."""
    connection = await asyncpg.connect(server)
    try:
        strategy = "STRATEGY FILE_COPY" if connection.get_server_version().major >= 15 else ""
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} {strategy}")
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """The name of a migrated database from which tests copy theirs."""

    def prepare() -> None:
        asyncio.run(run_on_server(postgres_server, "CREATE DATABASE lumetry_template"))
        migrate(postgres_server.replace("/postgres?", "/lumetry_template?"))

    run_in_thread(prepare)
    return "lumetry_template"


def run_in_thread(action: Callable[[], None]) -> None:
    """Runs something that needs its own event loop while a test's loop may be running."""
    with ThreadPoolExecutor(1) as executor:
        executor.submit(action).result()


def migrate(url: str) -> None:
    """Brings a database to the newest schema."""
    from lumetry_core.migrations.run import upgrade  # noqa: PLC0415 -- alembic is slow to import and not every test needs it

    upgrade(url)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database file from which tests copy theirs."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The address of a fresh, migrated SQLite database."""
    path = tmp_path / "lumetry.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@asynccontextmanager
async def fresh_postgres(server: str, template: str, name: str) -> AsyncIterator[str]:
    await copy_database(server, template, name)
    try:
        yield server.replace("/postgres?", f"/{name}?")
    finally:
        await run_on_server(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The address of a fresh, migrated database, of each kind in turn."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    server = request.getfixturevalue("postgres_server")
    template = request.getfixturevalue("postgres_template")
    async with fresh_postgres(server, template, f"test_{os.getpid()}_{id(request)}") as url:
        yield url


@pytest.fixture
async def database(database_url: str, wakeups: Wakeups) -> AsyncIterator[Database]:
    """A fresh, migrated database, of each kind in turn."""
    opened = open_database(database_url, wakeups.wake)
    yield opened
    await opened.close()
