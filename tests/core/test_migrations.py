import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from lumetry_core.migrations.revision import newest_revision
from lumetry_core.migrations.run import FOLDER, configure, run_on, upgrade
from lumetry_core.migrations.tables import metadata
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.conftest import fresh_postgres, run_in_thread

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """The address of a database without any table, of each kind in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/lumetry.db"
        return
    server = request.getfixturevalue("postgres_server")
    async with fresh_postgres(server, "template0", f"empty_{id(request)}") as url:
        yield url


def read(url: str, ask: Callable[[Connection], Any]) -> Any:
    """What a function of a connection gives."""
    found: list[Any] = []
    run_in_thread(lambda: run_on(url, lambda connection: found.append(ask(connection))))
    return found[0]


def differences(connection: Connection) -> list[Any]:
    """How the schema differs from the tables that the stores declare, types and defaults included."""
    options = {"compare_type": True, "compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def describe(connection: Connection) -> dict[str, Any]:
    """Every table's keys and checks, which the comparison leaves out."""
    inspector = inspect(connection)
    return {
        table: {
            "primary": inspector.get_pk_constraint(table)["constrained_columns"],
            "unique": sorted(sorted(each["column_names"]) for each in inspector.get_unique_constraints(table)),
            "nullable": sorted(column["name"] for column in inspector.get_columns(table) if column["nullable"]),
            "checks": sorted(each["name"] or "" for each in inspector.get_check_constraints(table)),
        }
        for table in sorted(inspector.get_table_names())
        if table != "alembic_version"
    }


async def test_upgrade_of_an_empty_database_makes_the_tables(empty_url: str, tmp_path: Path) -> None:
    """The migrations lead to exactly the schema that the stores declare."""
    run_in_thread(lambda: upgrade(empty_url))
    assert read(empty_url, differences) == []
    declared = f"sqlite:///{tmp_path}/declared.db"
    run_in_thread(lambda: run_on(declared, metadata.create_all))
    assert read(empty_url, describe) == read(declared, describe)


async def test_upgrade_keeps_row_numbers_unique_for_ever(empty_url: str) -> None:
    """A number is not given again after its row is gone."""
    run_in_thread(lambda: upgrade(empty_url))

    def insert_and_delete(connection: Connection) -> list[int]:
        numbers = []
        for _ in range(2):
            insert = text("INSERT INTO organizations (name, name_key, slug, create_time) VALUES ('a', 'a', 'a', 0) RETURNING id")
            numbers.append(connection.execute(insert).scalar_one())
            connection.execute(text("DELETE FROM organizations"))
        return numbers

    assert read(empty_url, insert_and_delete) == [1, 2]


async def test_upgrade_of_a_filled_database_keeps_its_rows(empty_url: str) -> None:
    """Organizations of the first schema get addresses, of equal ones the later a number; roles were last changed when they were made."""

    def fill(connection: Connection) -> None:
        config = configure()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for name in ("Zürich Ops!", "Zürich  Ops", "***"):
            insert = text("INSERT INTO organizations (name, name_key, create_time) VALUES (:name, :name, 7)")
            connection.execute(insert, {"name": name})
        insert = "INSERT INTO roles (organization_id, name, name_key, is_built_in, create_time) VALUES (1, 'Admin', 'admin', :yes, 7)"
        connection.execute(text(insert), {"yes": True})

    run_in_thread(lambda: run_on(empty_url, fill))
    run_in_thread(lambda: upgrade(empty_url))
    slugs = read(empty_url, lambda connection: connection.execute(text("SELECT slug FROM organizations ORDER BY id")).scalars().all())
    assert slugs == ["zurich-ops", "zurich-ops-2", "organization"]
    assert read(empty_url, lambda connection: connection.execute(text("SELECT description, update_time FROM roles")).one()) == (None, 7)


async def test_upgrade_notes_what_rules_refer_to(empty_url: str) -> None:
    """A metric that a rule of an earlier schema watches cannot be removed afterwards."""

    def fill(connection: Connection) -> None:
        config = configure()
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        rule = (
            "INSERT INTO rules (organization_id, name_key, status, search_text, definition, counting_epoch, create_time, update_time) "
            "VALUES (3, 'r', 'Active', 'r', :definition, 1, 7, 7)"
        )
        connection.execute(text(rule), {"definition": '{"metric_key": "cpu.load", "name": "R"}'})

    run_in_thread(lambda: run_on(empty_url, fill))
    run_in_thread(lambda: upgrade(empty_url))
    select = text("SELECT organization_id, kind, number, metric_key FROM metric_references")
    assert read(empty_url, lambda connection: connection.execute(select).all()) == [(3, "Rule", 1, "cpu.load")]


async def test_upgrade_knows_what_incidents_came_to(empty_url: str) -> None:
    """Resolutions of an earlier schema count for what repeats, and incidents without active alerts are inactive since their last change."""

    def fill(connection: Connection) -> None:
        config = configure()
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        insert = text(
            "INSERT INTO incidents (organization_id, number, correlation_key, severity, state, start_time, newest_alert_id,"
            " newest_alert_time, alert_count, active_alert_count, violation_count, resolve_time,"
            " resolution_classification, reopen_count, create_time, update_time)"
            " VALUES (3, :number, 'metric:m', 'Warning', :state, 5, 1, 5, 1, :active, 1, :resolved, :classification, 0, 5, 9)"
        )
        for number, state, active, resolved, classification in (
            (1, "Resolved", 0, 8, "NoImpact"),
            (2, "Open", 1, None, None),
            (3, "Acknowledged", 0, None, None),
        ):
            values = {"number": number, "state": state, "active": active, "resolved": resolved, "classification": classification}
            connection.execute(insert, values)

    run_in_thread(lambda: run_on(empty_url, fill))
    run_in_thread(lambda: upgrade(empty_url))
    inactive = text("SELECT number, inactive_time FROM incidents ORDER BY number")
    assert read(empty_url, lambda connection: connection.execute(inactive).all()) == [(1, None), (2, None), (3, 9)]
    resolutions = text("SELECT organization_id, incident_id, correlation_key, classification, resolve_time FROM incident_resolutions")
    assert read(empty_url, lambda connection: connection.execute(resolutions).all()) == [(3, 1, "metric:m", "NoImpact", 8)]


async def test_upgrade_knows_hosts_and_seals_logs_again(empty_url: str) -> None:
    """Hosts that stored series name are known; large blocks of logs are merged once more, for they have no filters of the present kind."""
    labels = ({"host.id": "h-1", "host.name": "web"}, {"mount": "host.id"}, {"host.id": "h-1", "host.name": "web-2", "os.type": "linux"})

    def fill(connection: Connection) -> None:
        config = configure()
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
        series = "INSERT INTO series (organization_id, metric_id, identity, labels, create_time) VALUES (3, 1, :identity, :labels, 7)"
        for number, each in enumerate(labels):
            connection.execute(text(series), {"identity": bytes([number]) * 16, "labels": msgspec.msgpack.encode(each)})
        for level in (9, 0):
            block = (
                "INSERT INTO log_blocks (organization_id, project_id, level, day, first_ns, last_ns, level_mask, entry_count, byte_count,"
                " first_id, last_id, create_time, words, payload) VALUES (3, 'p', :level, 1, 1, 1, 2, 1, 1, :id, :id, 7, :id, :id)"
            )
            connection.execute(text(block), {"level": level, "id": bytes(16)})

    run_in_thread(lambda: run_on(empty_url, fill))
    run_in_thread(lambda: upgrade(empty_url))
    hosts = text("SELECT organization_id, host_id, name, os, arch, collector_id, create_time FROM metric_hosts")
    assert read(empty_url, lambda connection: connection.execute(hosts).all()) == [(3, "h-1", "web-2", "linux", "", "", 7)]
    levels = text("SELECT level FROM log_blocks ORDER BY id")
    assert read(empty_url, lambda connection: connection.execute(levels).scalars().all()) == [8, 0]


async def test_upgrade_twice_changes_nothing(empty_url: str) -> None:
    """What is there stays; the revision is the newest."""
    run_in_thread(lambda: upgrade(empty_url))
    insert = text("INSERT INTO write_probes (id, probe_time) VALUES (1, 7)")
    run_in_thread(lambda: run_on(empty_url, lambda connection: connection.execute(insert)))
    run_in_thread(lambda: upgrade(empty_url))
    assert read(empty_url, lambda connection: connection.execute(text("SELECT id, probe_time FROM write_probes")).one()) == (1, 7)
    assert read(empty_url, lambda connection: MigrationContext.configure(connection).get_current_revision()) == newest_revision()


async def test_upgrade_of_several_processes_at_once_succeeds_in_each(empty_url: str) -> None:
    """Servers that start together wait for the one that migrates."""
    program = "import sys; from lumetry_core.migrations.run import upgrade; upgrade(sys.argv[1])"
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", program, empty_url, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(3)
    ]
    outcomes = [await process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], [error.decode()[-2000:] for _output, error in outcomes]
    assert read(empty_url, differences) == []


async def test_upgrade_of_a_newer_database_fails(empty_url: str) -> None:
    """An older release does not touch what it does not know."""
    run_in_thread(lambda: upgrade(empty_url))
    run_in_thread(lambda: run_on(empty_url, lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))))
    with pytest.raises(LumetryError, match="9999") as failure:
        run_in_thread(lambda: upgrade(empty_url))
    assert (failure.value.reason, failure.value.metadata["state"]) == (Reason.CONFLICT, "newer")


def test_migrations_are_one_numbered_line() -> None:
    """Each migration follows the one before it, file names start with its number, and nothing leads back."""
    scripts = list(reversed(list(ScriptDirectory.from_config(configure()).walk_revisions())))
    numbers = [f"{position:04}" for position in range(1, len(scripts) + 1)]
    assert [script.revision for script in scripts] == numbers
    assert [script.down_revision for script in scripts] == [None, *numbers[:-1]]
    assert sorted(path.name[:5] for path in (FOLDER / "versions").glob("*.py")) == [f"{number}_" for number in numbers]
    assert not [script for script in scripts if hasattr(script.module, "downgrade")]
    assert newest_revision() == numbers[-1]
