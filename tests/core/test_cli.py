import asyncio
import json
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from lumetry_core import __version__
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.login import LoginDesk
from lumetry_core.cli import main
from lumetry_core.config import Config
from lumetry_core.evaluation.model import Retry
from lumetry_core.evaluation.store import retries
from lumetry_core.metrics.model import job_id_of
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.clock import SystemClock
from lumetry_core.runtime.database import open_database
from lumetry_core.runtime.errors import LumetryError
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.supervisor import lock

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., Result]


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
    monkeypatch.setenv("LUMETRY_CONFIG", "")  # a command sets it for its children: what is set here is taken back after the test
    monkeypatch.delenv("LUMETRY_CONFIG")

    def invoke(*arguments: str, stdin: str | None = None, environ: dict[str, str] | None = None) -> Result:
        options = {"LUMETRY_DATA_DIR": str(data_dir), "LUMETRY_ADMIN_PASSWORD": "correct horse battery", **(environ or {})}
        return CliRunner().invoke(main, arguments, input=stdin, env=options)

    return invoke


def succeeded(result: Result) -> str:
    """The standard output of a command that did its work and had nothing to complain about."""
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return result.stdout


def failed(result: Result, exit_code: int) -> str:
    """What a command that failed said; it wrote nothing on standard output and no traceback."""
    assert (result.exit_code, result.stdout) == (exit_code, ""), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.stderr


def authenticate(data_dir: Path, secret: str) -> Caller:
    async def ask() -> Caller:
        database = open_database(Config(data_dir=data_dir).effective_database_url)
        try:
            return await Authenticator(database, SystemClock())(Origin("r", None, None, secret))
        finally:
            await database.close()

    return asyncio.run(ask())


def log_in(data_dir: Path, name: str, password: str) -> None:
    async def ask() -> None:
        config = Config(data_dir=data_dir)
        database = open_database(config.effective_database_url)
        try:
            desk = LoginDesk(database, SystemClock(), config.auth, config.rate)
            await desk.login(name, password, Origin("r", "192.0.2.1", None, None))
        finally:
            await database.close()

    asyncio.run(ask())


def test_token_create_prints_the_secret_alone(run: Run, data_dir: Path) -> None:
    """The output is the secret, which works at once with everything its owner may do."""
    output = succeeded(run("token", "create", "--name", "ci"))
    assert re.fullmatch(r"lmt_[0-9a-f]{48}\n", output)
    caller = authenticate(data_dir, output.strip())
    assert (caller.kind, caller.user_name, caller.permissions) == (CredentialKind.API_TOKEN, "admin", frozenset(Permission))


def test_token_create_narrows_the_permissions(run: Run, data_dir: Path) -> None:
    """A comma list, with blanks where people put them, is what the token may do."""
    output = succeeded(run("token", "create", "--name", "ci", "--permissions", "CanViewAlerts, CanIngestMetrics"))
    assert authenticate(data_dir, output.strip()).permissions == {Permission.VIEW_ALERTS, Permission.INGEST_METRICS}


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["--name", "ci", "--user", "nobody"], 1, "nobody does not exist"),
        (["--name", "ci", "--permissions", "CanFly,CanViewAlerts,CanSwim"], 1, "permissions[2]: is not a permission: CanSwim"),
        (["--name", "ci", "--permissions", ""], 1, "permissions: must name at least one permission"),
        (["--name", " "], 1, "name: must have 1 to 100 printable characters"),
        (["--name", "ci", "--family", "telegraph"], 2, "telegraph"),
        ([], 2, "--name"),
    ],
)
def test_token_create_tells_what_is_wrong(run: Run, arguments: list[str], exit_code: int, said: str) -> None:
    """Every fault is named on standard error; nothing that could be taken for a token is printed."""
    assert said in failed(run("token", "create", *arguments), exit_code)


def test_token_create_for_logs(run: Run, data_dir: Path) -> None:
    """A log key belongs to the default project unless another is named, and opens its logs at once."""
    output = succeeded(run("token", "create", "--name", "web", "--family", "logs"))
    assert re.fullmatch(r"ll_[0-9a-f]{48}\n", output)
    caller = authenticate(data_dir, output.strip())
    assert (caller.kind, caller.permissions, caller.environment) == (
        CredentialKind.LOG_KEY,
        {Permission.INGEST_LOGS, Permission.VIEW_LOGS},
        "production",
    )
    second = succeeded(run("token", "create", "--name", "api", "--family", "logs", "--project", "default"))
    assert authenticate(data_dir, second.strip()).project_id == caller.project_id
    assert "Project attic does not exist" in failed(run("token", "create", "--name", "x", "--family", "logs", "--project", "attic"), 1)
    assert "Another log key has the name web" in failed(run("token", "create", "--name", "web", "--family", "logs"), 1)


def test_token_create_for_the_workspace(run: Run, data_dir: Path) -> None:
    """A workspace key has the scopes that are named and the mode of the deployment."""
    command = ("token", "create", "--name", "ci", "--family", "workspace")
    live = succeeded(run(*command, "--scopes", "projects:write, logs:read"))
    assert re.fullmatch(r"alm_live_[0-9a-f]{48}\n", live)
    caller = authenticate(data_dir, live.strip())
    assert (caller.kind, caller.user_name, caller.scopes) == (
        CredentialKind.WORKSPACE_KEY,
        "admin",
        {"projects:read", "projects:write", "logs:read"},
    )
    assert succeeded(run(*command, environ={"LUMETRY_ENV": "test"})).startswith("alm_test_")
    assert "scopes[0]: is not a scope: sky:read" in failed(run(*command, "--scopes", "sky:read"), 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--family", "logs", "--permissions", "CanViewLogs"], "--permissions is for --family lumetry"),
        (["--family", "workspace", "--project", "default"], "--project is for --family logs"),
        (["--scopes", "user:read"], "--scopes is for --family workspace"),
    ],
)
def test_token_create_refuses_options_of_other_families(run: Run, arguments: list[str], said: str) -> None:
    """An option that would change nothing is a mistake."""
    assert said in failed(run("token", "create", "--name", "x", *arguments), 2)


def test_token_list_and_revoke(run: Run, data_dir: Path) -> None:
    """The operator sees the tokens of a user and ends one, whose secret then opens nothing."""
    secrets = [succeeded(run("token", "create", "--name", name)).strip() for name in ("first", "second")]
    assert succeeded(run("token", "list")) == f"2\t{secrets[1][:12]}\tlasting\tsecond\n1\t{secrets[0][:12]}\tlasting\tfirst\n"
    assert succeeded(run("token", "revoke", "1")) == ""
    assert re.search(rf"^1\t{secrets[0][:12]}\trevoked \S+Z\tfirst$", succeeded(run("token", "list")), re.MULTILINE)
    with pytest.raises(LumetryError):
        authenticate(data_dir, secrets[0])
    assert authenticate(data_dir, secrets[1]).user_name == "admin"
    assert "API token 9 does not exist" in failed(run("token", "revoke", "9"), 1)


def test_org_list_and_user_list(run: Run) -> None:
    """Organizations and their users are listed, one per line."""
    succeeded(run("org", "create", "Branch Office"))
    succeeded(run("user", "create", "eve", "--role", "Viewer", "--role", "Ingest", "--org", "branch office", stdin="s3cret pass word\n"))
    assert succeeded(run("org", "list")) == "1\tdefault\tDefault\n2\tbranch-office\tBranch Office\n"
    assert succeeded(run("user", "list", "--org", "Default")) == "1\tactive\tAdmin\tadmin\n"
    assert succeeded(run("user", "list", "--org", "Branch Office")) == "2\tactive\tIngest,Viewer\teve\n"


def test_org_and_user_create_make_a_second_organization(run: Run, data_dir: Path) -> None:
    """A user of another organization logs in with the password from standard input; tokens belong to its organization."""
    number = int(succeeded(run("org", "create", "Branch")))
    assert int(
        succeeded(run("user", "create", "eve", "--role", "Viewer", "--role", "Ingest", "--org", "branch", stdin="s3cret pass word\n"))
    )
    log_in(data_dir, "eve", "s3cret pass word")
    caller = authenticate(data_dir, succeeded(run("token", "create", "--name", "t", "--user", "eve")).strip())
    assert (caller.organization_id, caller.user_name) == (number, "eve")
    assert caller.permissions == {Permission.VIEW_ALERTS, Permission.INGEST_METRICS, Permission.INGEST_LOGS}


def test_org_create_refuses_a_name_that_is_taken(run: Run) -> None:
    """Names are unique, ignoring case."""
    succeeded(run("org", "create", "Branch"))
    assert "name: is taken" in failed(run("org", "create", "BRANCH"), 1)


@pytest.mark.parametrize(
    ("arguments", "password", "said"),
    [
        (["eve", "--role", "Viewer"], "short", "password: must have"),
        (["eve", "--role", "Viewer"], "", "password: must have"),
        (["eve", "--role", "King"], "s3cret pass word", "King"),
        (["eve", "--role", "Viewer", "--org", "Nowhere"], "s3cret pass word", "Organization Nowhere does not exist"),
        (["Admin", "--role", "Viewer"], "s3cret pass word", "taken"),
    ],
)
def test_user_create_tells_what_is_wrong(run: Run, arguments: list[str], password: str, said: str) -> None:
    """The failure names the fault and ends with code 1; the password is not repeated."""
    message = failed(run("user", "create", *arguments, stdin=password + "\n"), 1)
    assert said in message
    assert "s3cret" not in message


def test_user_create_asks_which_of_several_organizations(run: Run) -> None:
    """Nobody lands in an organization by accident."""
    succeeded(run("user", "create", "ann", "--role", "Viewer", stdin="s3cret pass word\n"))
    succeeded(run("org", "create", "Branch"))
    assert "name one" in failed(run("user", "create", "eve", "--role", "Viewer", stdin="s3cret pass word\n"), 1)


async def put_failed_jobs(data_dir: Path) -> list[int]:
    """Leaves two jobs of the first organization as if they had been given up, the newer one without its points; their numbers."""
    now = datetime(2026, 6, 1, 8, tzinfo=UTC)
    columns = np.array([1], np.int64), np.array([1_780_000_000_250], np.int64), np.array([5.0])
    first = Retry(
        partition=0,
        offset=7,
        organization_id=1,
        batch_id="d97e2b99-81bd-43aa-823d-dc5f78cd5429",
        credential_kind="API_TOKEN",
        credential_id=1,
        metric_id=None,
        time_ms=1_780_000_000_250,
        series_id=None,
        point_count=1,
        attempt_count=5,
        last_error="ValueError: bad\tluck\n",
        create_time=now,
        start_time=now,
        next_time=None,
        fail_time=now,
        result=None,
    )
    second = replace(first, offset=8, fail_time=now + timedelta(seconds=1), last_error="ValueError: worse")
    database = open_database(Config(data_dir=data_dir).effective_database_url)
    try:
        async with database.write() as tx:
            for retry in (first, second):
                await retries.insert_retry(tx, retry, *columns)
            await tx.execute(retries.evaluation_retries.update().where(retries.evaluation_retries.c.offset == 8).values(payload=None))
    finally:
        await database.close()
    return [job_id_of(0, 7), job_id_of(0, 8)]


def test_jobs_failed_and_retry(run: Run, data_dir: Path) -> None:
    """Failed jobs are listed, newest first, on lines that hold together whatever the error holds; one or all are put back to the queue."""
    assert succeeded(run("jobs", "failed")) == ""
    assert json.loads(succeeded(run("jobs", "failed", "--json"))) == []
    number, lost = asyncio.run(put_failed_jobs(data_dir))
    batch, time = "d97e2b99-81bd-43aa-823d-dc5f78cd5429", "2026-05-28T20:26:40.250Z"
    second = f"{lost}\t{batch}\t-\t{time}\t5\tValueError: worse\t2026-06-01T08:00:01Z\n"
    first = f"{number}\t{batch}\t-\t{time}\t5\tValueError: bad?luck?\t2026-06-01T08:00:00Z\n"
    assert succeeded(run("jobs", "failed", "--org", "default")) == second + first
    assert succeeded(run("jobs", "failed", "--limit", "1")) == second
    assert json.loads(succeeded(run("jobs", "failed", "--json")))[1] == {
        "id": number,
        "batchId": batch,
        "metricId": None,
        "timestamp": time,
        "dimensionKey": None,
        "attempts": 5,
        "last_error": "ValueError: bad\tluck\n",
        "createdAt": "2026-06-01T08:00:00Z",
        "failedAt": "2026-06-01T08:00:00Z",
    }
    assert f"points of evaluation job {lost} are no longer kept" in failed(run("jobs", "retry", str(lost)), 1)
    assert succeeded(run("jobs", "retry", str(number))) == f"job {number} is queued\n"
    assert "has not failed" in failed(run("jobs", "retry", str(number)), 1)
    assert succeeded(run("jobs", "failed")) == second


def test_jobs_retry_all(run: Run, data_dir: Path) -> None:
    """It says how many wait now and how many are past help; again there is nothing to do."""
    succeeded(run("org", "list"))
    asyncio.run(put_failed_jobs(data_dir))
    lost = "1 cannot be tried again because their points are no longer kept"
    assert succeeded(run("jobs", "retry", "--all")) == f"1 queued, {lost}\n"
    assert succeeded(run("jobs", "retry", "--all")) == f"0 queued, {lost}\n"


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["failed", "--org", "Acme"], 1, "Organization Acme does not exist"),
        (["failed", "--limit", "5001"], 1, "limit: must be between 1 and 5000"),
        (["failed", "--limit", "0"], 2, "--limit"),
        (["retry"], 2, "give either the number of a job or --all"),
        (["retry", "5", "--all"], 2, "give either the number of a job or --all"),
        (["retry", "5"], 1, "Evaluation job 5 does not exist"),
        (["retry", "--all", "--org", "Acme"], 1, "Organization Acme does not exist"),
        (["retry", "latest"], 2, "latest"),
    ],
)
def test_jobs_tell_what_is_wrong(run: Run, arguments: list[str], exit_code: int, said: str) -> None:
    """Unknown jobs and organizations and impossible numbers are named."""
    assert said in failed(run("jobs", *arguments), exit_code)


def test_first_command_writes_the_administrators_password(run: Run, data_dir: Path) -> None:
    """Without a configured password a random one is left for the operator alone, once, and works."""
    file = data_dir / "admin-password"
    succeeded(run("token", "create", "--name", "a", environ={"LUMETRY_ADMIN_PASSWORD": ""}))
    password = file.read_text().strip()
    assert (len(password), stat.S_IMODE(file.stat().st_mode)) == (48, 0o600)
    log_in(data_dir, "admin", password)
    succeeded(run("token", "create", "--name", "b", environ={"LUMETRY_ADMIN_PASSWORD": ""}))
    assert file.read_text().strip() == password


def test_first_command_keeps_a_configured_password_to_itself(run: Run, data_dir: Path) -> None:
    """A password that the operator knows is not written anywhere."""
    succeeded(run("token", "create", "--name", "a"))
    log_in(data_dir, "admin", "correct horse battery")
    assert not (data_dir / "admin-password").exists()


def test_migrate_makes_the_data_directory_and_tells_the_schema(run: Run, tmp_path: Path) -> None:
    """The directory is for its owner alone; a second run changes nothing."""
    folder = tmp_path / "fresh" / "data"
    first = succeeded(run("migrate", "--data-dir", str(folder)))
    assert re.fullmatch(r"schema \d{4}\n", first)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert succeeded(run("migrate", "--data-dir", str(folder))) == first


def test_check_config_shows_what_counts(run: Run, tmp_path: Path) -> None:
    """Flag, environment and the file in the working directory, with secrets masked."""
    (tmp_path / "lumetry.toml").write_text("[evaluation]\ngrace_seconds = 7\n")
    output = succeeded(run("check-config", "--http", "127.0.0.1:0", environ={"LUMETRY_LOG_LEVEL": "DEBUG"}))
    shown = tomllib.loads(output)
    assert (shown["http"], shown["log_level"], shown["evaluation"], shown["admin_password"]) == (
        "127.0.0.1:0",
        "DEBUG",
        {"grace_seconds": 7, "compound_cycle_seconds": 60},
        "•••",
    )
    assert "correct horse" not in output


@pytest.mark.parametrize("command", [["check-config"], ["migrate"], ["serve"], ["core"], ["token", "create", "--name", "ci"]])
def test_command_with_a_faulty_configuration_does_nothing(run: Run, data_dir: Path, command: list[str]) -> None:
    """All faults are told and the exit code is 2."""
    before = (data_dir / "lumetry.db").read_bytes()
    message = failed(run(*command, "--http", "nowhere", environ={"LUMETRY_EVALUATION_GRACE_SECONDS": "-1"}), 2)
    assert "evaluation: grace_seconds must be between 0 and 3600" in message
    assert "http: must be host:port" in message
    assert (data_dir / "lumetry.db").read_bytes() == before


def test_command_with_a_missing_configuration_file_fails(run: Run, tmp_path: Path) -> None:
    """A file that was asked for must be there."""
    assert "absent.toml" in failed(run("check-config", "--config", str(tmp_path / "absent.toml")), 2)


@pytest.mark.parametrize("command", [["migrate"], ["org", "create", "Branch"], ["token", "create", "--name", "ci"]])
def test_command_without_its_database_says_so(run: Run, tmp_path: Path, command: list[str]) -> None:
    """A server that does not answer is a message and exit code 1."""
    message = failed(run(*command, "--database-url", f"postgresql://lumetry@/lumetry?host={tmp_path}"), 1)
    assert "The store cannot be used at the moment" in message


def test_backup_and_restore_go_back_in_time(run: Run, tmp_path: Path) -> None:
    """What was made after the backup is gone after the restore."""
    copy = tmp_path / "copy"
    succeeded(run("org", "create", "Kept"))
    assert succeeded(run("backup", str(copy))) == f"backed up to {copy}\n"
    succeeded(run("org", "create", "Lost"))
    assert succeeded(run("restore", str(copy))) == f"restored from {copy}\n"
    assert "name: is taken" in failed(run("org", "create", "Kept"), 1)
    succeeded(run("org", "create", "Lost"))


def test_backup_and_restore_tell_what_is_wrong(run: Run, data_dir: Path, tmp_path: Path) -> None:
    """Existing targets, missing and foreign sources, and a running server end with code 1."""
    copy = tmp_path / "copy"
    copy.write_text("mine")
    assert "exists already" in failed(run("backup", str(copy)), 1)
    assert "is not a backup" in failed(run("restore", str(copy)), 1)
    assert "does not exist" in failed(run("restore", str(tmp_path / "absent")), 1)
    with lock(data_dir, "serve"):
        assert "stop it first" in failed(run("restore", str(copy)), 1)


def test_serve_leaves_a_data_directory_to_the_server_that_has_it(data_dir: Path) -> None:
    """Two servers on one directory would break each other: the second ends with code 1, a second core with code 3."""

    def start(role: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lumetry_core", role, "--data-dir", str(data_dir), "--grpc", "127.0.0.1:0"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    with lock(data_dir, "serve"), lock(data_dir, "core"):
        serve, core = start("serve"), start("core")
    assert (serve.returncode, core.returncode) == (1, 3)
    assert "another server runs on" in serve.stderr
    assert "another core runs on" in core.stderr


def test_core_leaves_the_schema_alone(tmp_path: Path) -> None:
    """A core says what to do about a store that is not ready, and ends: with code 1 without any, with code 3 without a schema."""

    def start() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lumetry_core", "core", "--data-dir", str(tmp_path), "--grpc", "127.0.0.1:0"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    without = start()
    (tmp_path / "lumetry.db").touch()
    empty = start()
    assert (without.returncode, without.stderr) == (1, "Error: The store cannot be used at the moment. Nothing was changed.\n")
    assert empty.returncode == 3
    assert "run `lumetry migrate`" in empty.stderr
    assert (tmp_path / "lumetry.db").stat().st_size == 0


def test_migrate_leaves_a_newer_database_alone(run: Run, data_dir: Path) -> None:
    """An older release that was started by mistake says so."""
    connection = sqlite3.connect(data_dir / "lumetry.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    assert "schema 9999, which this release does not know" in failed(run("migrate"), 1)


@pytest.mark.parametrize(("command", "module"), [(["gateway"], "gateway"), (["collector", "run"], "lumetry_core.collectors.agent")])
def test_program_of_its_own_gets_its_arguments_as_they_are(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: list[str], module: str
) -> None:
    """Also `--help` reaches it."""
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _path, arguments: started.append(arguments))
    for arguments in (["--help"], ["--http", "127.0.0.1:0", "--flag"]):
        succeeded(run(*command, *arguments))
        assert started.pop() == [sys.executable, "-m", module, *arguments]


def test_version_is_told(run: Run) -> None:
    """Name and version on one line."""
    assert succeeded(run("--version")) == f"lumetry, version {__version__}\n"
