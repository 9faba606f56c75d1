"""What must hold everywhere and import-linter, ruff, mypy and buf cannot say."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor
from sqlalchemy import Index, Table, UniqueConstraint

from gateway.transcode.failures import Reason as GatewayReason
from lumetry.access.v1 import permission_pb2
from lumetry.error.v1 import error_reason_pb2
from lumetry_core.migrations.tables import metadata
from lumetry_core.runtime.errors import Reason

ROOT = Path(__file__).resolve().parents[1]
CORE, GATEWAY, GENERATED = ROOT / "lumetry_core", ROOT / "gateway", ROOT / "proto" / "gen" / "lumetry"
MAX_LINES = 400

WITHOUT_ORGANIZATION = {
    "organizations": "its own number is the organization",
    "inbox_partitions": "a partition carries the points of all organizations",
    "inbox_owners": "a process works for all organizations",
    "evaluation_runs": "a run evaluates what a partition carries, for all organizations",
    "write_probes": "readiness is the deployment's",
    "meter_rates": "rates are the deployment's",
}
"""Tables that belong to the deployment, and why."""
NOT_BY_ORGANIZATION = {
    ("agent_credentials", "digest"): "who presents a secret is not known before it is found",
    ("agent_enrollment_tokens", "digest"): "who presents a secret is not known before it is found",
    ("api_tokens", "digest"): "who presents a secret is not known before it is found",
    ("collector_credentials", "digest"): "who presents a secret is not known before it is found",
    ("log_keys", "digest"): "who presents a secret is not known before it is found",
    ("source_credentials", "digest"): "who presents a secret is not known before it is found",
    ("workspace_keys", "digest"): "who presents a secret is not known before it is found",
    ("organizations", "slug"): "addresses of organizations are unique in the deployment",
    ("users", "name_key"): "login names are unique in the deployment and determine the organization",
    ("organizations", "name_key"): "names of organizations are unique in the deployment",
    ("evaluation_retries", "partition"): "a worker takes what is due in its partition, for all organizations",
    ("evaluation_runs", "complete_time"): "old runs are dropped for all organizations",
    ("maintenance_windows", "next_change_time"): "one worker starts and ends what is due, for all organizations",
    ("silences", "due_time"): "one worker ends what is due, for all organizations",
    ("certificate_monitors", "next_check_time"): "one worker checks what is due, for all organizations",
    ("endpoints", "due_time"): "one worker checks what is due, for all organizations",
    ("heartbeats", "due_time"): "one worker judges what is due, for all organizations",
    ("log_rule_states", "due_time"): "one worker ends what is due, for all organizations",
    ("collector_work", "due_time"): "one worker gives up or gives out again what is due, for all organizations",
    ("metric_sources", "due_time"): "one worker polls what is due, for all organizations",
    ("metric_sources", "stale_time"): "one worker marks what is stale, for all organizations",
    ("heartbeats", "uuid"): "pings name nothing else",
    ("update_scans", "status"): "one worker finds scans that were cut off, for all organizations",
    ("uptime_days", "day"): "old days are dropped for all organizations",
}
"""Secondary keys that do not start with the organization, by table and first column, and why."""


def sources(*roots: Path) -> list[Path]:
    return sorted(path for root in roots for path in root.rglob("*.py"))


def imports_of(path: Path) -> Iterator[str]:
    """Every module that a file names in an import, wherever it stands; `from a import b` gives `a` and `a.b`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def services() -> list[ServiceDescriptor]:
    """Every service of every proto file of the product."""
    pool = descriptor_pool.Default()
    found = []
    for path in sorted(GENERATED.rglob("*_pb2.py")):
        name = path.relative_to(GENERATED.parent).with_suffix("").as_posix()
        importlib.import_module(name.replace("/", "."))
        found += pool.FindFileByName(f"{name.removesuffix('_pb2')}.proto").services_by_name.values()
    return found


METHODS = [method for service in services() for method in service.methods]


def test_store_is_imported_by_its_own_area_alone() -> None:
    """What an area keeps is reached through its service; only migrations see all tables."""
    strangers = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sources(CORE, GATEWAY)
        for module in imports_of(path)
        for parts in [module.split(".")]
        if len(parts) > 2 and parts[0] == "lumetry_core" and parts[2] == "store"
        if path.relative_to(ROOT).parts[1] not in (parts[1], "migrations")
    ]
    assert strangers == []


def test_store_is_imported_within_its_area_by_service_and_store_alone() -> None:
    """Neither an RPC nor a worker nor a pure module reads tables."""
    strangers = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sources(CORE)
        for module in imports_of(path)
        for area, *inner in [path.relative_to(CORE).with_suffix("").parts]
        if f"{module}.".startswith(f"lumetry_core.{area}.store.") and inner[0] not in ("service", "store")
    ]
    assert strangers == []


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_rpc_states_who_may_call_it(method: object) -> None:
    """Each RPC carries the access option; a public one asks for nothing else."""
    options = method.GetOptions()  # type: ignore[attr-defined]
    assert options.HasExtension(permission_pb2.access)
    rule = options.Extensions[permission_pb2.access]
    assert not (rule.public and (rule.any_of or rule.credentials))
    assert permission_pb2.PERMISSION_UNSPECIFIED not in rule.any_of
    assert permission_pb2.CREDENTIAL_KIND_UNSPECIFIED not in rule.credentials


def test_rpcs_are_found() -> None:
    """The tests above look at the whole surface."""
    assert len(METHODS) >= 30


def belongs_to_organization(table: Table) -> bool:
    return table.name not in WITHOUT_ORGANIZATION


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_table_names_its_organization(table: Table) -> None:
    """Every row belongs to one organization, unless the table is of the deployment."""
    if belongs_to_organization(table):
        assert not table.c.organization_id.nullable
    else:
        assert "organization_id" not in table.c


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_key_of_table_starts_with_the_organization(table: Table) -> None:
    """What is unique is unique in an organization, and every index serves queries of one."""
    keys: list[UniqueConstraint | Index] = [each for each in table.constraints if isinstance(each, UniqueConstraint)]
    keys += table.indexes
    firsts = {next(iter(key.columns.keys())) for key in keys}
    allowed = {column for name, column in NOT_BY_ORGANIZATION if name == table.name}
    assert firsts - {"organization_id"} - allowed == set()


def test_exceptions_are_needed() -> None:
    """An exception that nothing uses any more is taken off the list."""
    names = {table.name for table in metadata.sorted_tables}
    used = {
        (table.name, next(iter(key.columns.keys())))
        for table in metadata.sorted_tables
        for key in (*table.indexes, *(each for each in table.constraints if isinstance(each, UniqueConstraint)))
    }
    assert set(WITHOUT_ORGANIZATION) - names == set()
    assert set(NOT_BY_ORGANIZATION) - used == set()


def test_tables_refer_to_each_other_within_their_area_alone() -> None:
    """An area can be taken out without touching another's tables."""
    areas = {}
    for path in sources(CORE):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Table" and node.args:
                assert isinstance(node.args[0], ast.Constant)
                areas[node.args[0].value] = path.relative_to(CORE).parts[0]
    assert set(areas) == {table.name for table in metadata.sorted_tables}
    crossing = [
        f"{table.name} → {key.column.table.name}"
        for table in metadata.sorted_tables
        for key in table.foreign_keys
        if areas[table.name] != areas[key.column.table.name]
    ]
    assert crossing == []


def test_gateway_knows_every_reason_of_the_core() -> None:
    """The gateway renders each failure that the proto publishes, and no other."""
    published = [name.removeprefix("ERROR_REASON_") for name, number in error_reason_pb2.ErrorReason.items() if number]
    assert [reason.value for reason in GatewayReason] == published
    assert [reason.value for reason in Reason] == published


def test_files_stay_readable() -> None:
    """A file that has grown too long holds more than one thing. Lists of rows or services, and migrations, may be long."""
    lists = {GATEWAY / "contracts" / "lumetry" / "routes.py", CORE / "services.py"}
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sources(CORE, GATEWAY)
        if path not in lists and "versions" not in path.parts
        if (lines := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert long == {}


def test_no_test_is_left_out() -> None:
    """A test in a file that pytest does not collect tests nothing."""
    uncollected = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in sources(ROOT / "tests")
        if not path.name.startswith("test_")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]
    assert uncollected == []
