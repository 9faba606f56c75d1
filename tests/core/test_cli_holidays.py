import asyncio
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lumetry_core.access.service.organizations import find_organization
from lumetry_core.baselines.model import Exclusion
from lumetry_core.baselines.service.exclusions import exclusions_of
from lumetry_core.cli import main
from lumetry_core.config import Config
from lumetry_core.runtime.database import open_database

Run = Callable[..., Result]
BAVARIA = ("holidays", "import", "--country", "DE", "--subdivision", "BY", "--time-zone", "Europe/Berlin")


@pytest.fixture
def data_dir(tmp_path: Path, sqlite_template: Path) -> Path:
    """A data directory with a migrated database in which nobody lives yet."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    shutil.copy(sqlite_template, folder / "lumetry.db")
    return folder


@pytest.fixture
def run(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on that data directory, in a folder without a configuration file."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("LUMETRY_")]:
        monkeypatch.delenv(name)

    def invoke(*arguments: str) -> Result:
        options = {"LUMETRY_DATA_DIR": str(data_dir), "LUMETRY_ADMIN_PASSWORD": "correct horse battery"}
        return CliRunner().invoke(main, arguments, env=options)

    return invoke


def stored(data_dir: Path, organization: str) -> list[Exclusion]:
    """The holidays of an organization."""

    async def ask() -> list[Exclusion]:
        database = open_database(Config(data_dir=data_dir).effective_database_url)
        try:
            async with database.read() as tx:
                return await exclusions_of(tx, (await find_organization(tx, organization)).id)
        finally:
            await database.close()

    return asyncio.run(ask())


def test_import_lists_what_is_new(run: Run, data_dir: Path) -> None:
    """Each new holiday is a line, oldest first; a repetition adds nothing and prints nothing; other years follow."""
    first = run(*BAVARIA, "--year", "2026")
    found = stored(data_dir, "Default")
    assert (first.exit_code, first.stderr) == (0, "")
    assert first.stdout.splitlines() == [f"{each.id}\t{each.start_time:%Y-%m-%dT%H:%M:%SZ}\t{each.reason}" for each in found]
    assert first.stdout.splitlines()[0].endswith("\t2025-12-31T23:00:00Z\tNew Year's Day")
    assert {each.created_by for each in found} == {None}
    again = run(*BAVARIA, "--year", "2026")
    assert (again.exit_code, again.output) == (0, "")
    more = run(*BAVARIA, "--year", "2026", "--year", "2027")
    assert (len(found), len(more.stdout.splitlines()), len(stored(data_dir, "Default"))) == (12, 12, 24)


def test_import_is_for_one_organization(run: Run, data_dir: Path) -> None:
    """With several organizations one must be named, and the others stay as they are."""
    run("org", "create", "Acme")
    unnamed = run(*BAVARIA, "--year", "2026")
    assert (unnamed.exit_code, unnamed.stderr) == (1, "Error: There are several organizations; name one.\n")
    assert run(*BAVARIA, "--year", "2026", "--org", "acme").exit_code == 0
    assert (len(stored(data_dir, "Acme")), stored(data_dir, "Default")) == (12, [])


def test_import_names_every_fault(run: Run) -> None:
    """What cannot be used is told by its name, without a traceback."""
    refused = run("holidays", "import", "--country", "XX", "--year", "1", "--time-zone", "Berlin")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == (
        "Error: The request is not valid.\n"
        "  year: must be between 1970 and 2100\n"
        "  timeZone: must be the IANA name of a time zone, such as Europe/Berlin\n"
        "  country: must be the ISO 3166-1 code of a country with a known calendar, such as DE\n"
    )


def test_import_without_calendars_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The optional package is named together with the way to get it."""
    monkeypatch.setitem(sys.modules, "holidays", None)
    refused = run(*BAVARIA, "--year", "2026")
    message = "Error: Calendars of public holidays are not installed. Install them with: pip install 'lumetry[holidays]'\n"
    assert (refused.exit_code, refused.stderr) == (1, message)
