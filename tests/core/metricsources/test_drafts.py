"""What people may write of sources (contract lumetry 5.8)."""

from dataclasses import replace

import pytest

from lumetry_core.collectors.agent.polling.model import TYPES, Target
from lumetry_core.metricsources.drafts import ConfigDraft, ItemDraft, SourceDraft, check_source
from lumetry_core.metricsources.model import Definition, SourceItem, SourceType
from lumetry_core.runtime.addresses import PRIVATE_TOO
from lumetry_core.runtime.errors import Faults, LumetryError
from tests.core.metricsources.building import POSTGRES, PROMETHEUS, UP

COLLECTOR = "c0000000-0000-4000-8000-000000000001"


def check(draft: SourceDraft, available: tuple[str, ...] = TYPES) -> Definition:
    """The definition of a draft."""
    faults = Faults()
    definition = check_source(draft, PRIVATE_TOO, available, faults)
    faults.raise_if_any()
    return definition


def faults_of(draft: SourceDraft, available: tuple[str, ...] = TYPES) -> dict[str, str]:
    """What is wrong with a draft, by path."""
    faults = Faults()
    check_source(draft, PRIVATE_TOO, available, faults)
    try:
        faults.raise_if_any()
    except LumetryError as error:
        return {fault.path: fault.message for fault in error.faults}
    return {}


def test_check_fills_in_defaults() -> None:
    """What is left out has the documented default."""
    assert check(PROMETHEUS) == Definition(
        name="Prometheus",
        type=SourceType.PROMETHEUS,
        target=Target(base_url="http://prometheus:9090"),
        items=(SourceItem("prom.up", "up"),),
        poll_interval_seconds=60,
        timeout_seconds=10,
        collector_id=None,
        is_enabled=True,
    )


@pytest.mark.parametrize(("kind", "port"), [("postgres", 5432), ("mysql", 3306)])
def test_check_knows_the_ports_of_databases(kind: str, port: int) -> None:
    """A database listens where databases of its type do."""
    assert check(replace(POSTGRES, type=kind)).target == Target(host="db.internal", port=port, database="orders", username="reader")


@pytest.mark.parametrize("kind", ["mssql", "oracle", "nifi"])
def test_check_refuses_types_without_a_driver(kind: str) -> None:
    """The type is named, and it alone when the rest is right."""
    config = ConfigDraft(base_url="http://nifi") if kind == "nifi" else POSTGRES.config
    expected = {"type": f"cannot be polled: this deployment has no driver for {kind}"}
    assert faults_of(replace(POSTGRES, type=kind, config=config)) == expected
    assert faults_of(replace(POSTGRES, type=kind, config=config, collector_id=COLLECTOR)) == expected


def test_check_refuses_an_unknown_type() -> None:
    """What its configuration would have to be nobody can tell."""
    words = "prometheus, thanos, postgres, mysql, http, mssql, oracle, nifi"
    assert faults_of(replace(PROMETHEUS, type="Prometheus", config=ConfigDraft())) == {"type": f"must be one of {words}"}


def test_check_takes_a_type_that_only_collectors_can_poll() -> None:
    """The driver has to be where the poll is made."""
    draft = replace(POSTGRES, type="mysql")
    assert faults_of(draft, ("prometheus",)) == {"type": "cannot be polled: this deployment has no driver for mysql"}
    assert faults_of(replace(draft, collector_id=COLLECTOR), ("prometheus",)) == {}


def test_check_refuses_names_that_no_line_of_a_log_can_hold() -> None:
    """A name is shown to people and told in messages."""
    assert faults_of(replace(PROMETHEUS, name="Prome\ntheus")) == {"name": "must have no control characters"}
    assert faults_of(replace(PROMETHEUS, name="Prométhée → β")) == {}


def test_check_collects_all_faults() -> None:
    """Every fault is named by its path."""
    draft = SourceDraft(
        name=" ",
        type="postgres",
        config=ConfigDraft(host="/var/run", port=70_000),
        secret="x" * 4097,
        items=(
            ItemDraft(metric_key="9 lives", query=" ", value_column="x" * 129, label_columns=("a", "a", "b=c"), unit="x" * 65),
            ItemDraft(metric_key="ok", query="x" * 10_001, value_column="v", label_columns=("v",)),
        ),
        poll_interval_seconds=9,
        timeout_seconds=61,
    )
    key = "must be 1 to 255 characters of A-Z a-z 0-9 _ . : / - and start with a letter or _"
    assert faults_of(draft) == {
        "name": "must have between 1 and 200 characters",
        "config.host": "must be a host name or an address of at most 253 characters",
        "config.port": "must be between 1 and 65535",
        "config.database": "is required",
        "config.username": "is required",
        "secret": "must have at most 4096 characters",
        "items[0].metricKey": key,
        "items[0].query": "must have 1 to 10,000 characters",
        "items[0].valueColumn": "must have at most 128 characters",
        "items[0].labelColumns[1]": "is given twice",
        "items[0].labelColumns[2]": "label names have 1 to 128 characters without =, | and control characters",
        "items[0].unit": "must have at most 64 characters",
        "items[1].query": "must have 1 to 10,000 characters",
        "items[1].labelColumns[0]": "is the value's column",
        "pollIntervalSeconds": "must be between 10 and 86400",
        "timeoutSeconds": "must be between 1 and 60",
    }


@pytest.mark.parametrize("count", [0, 51])
def test_check_bounds_the_number_of_items(count: int) -> None:
    """There are 1 to 50."""
    items = tuple(ItemDraft(metric_key=f"m{position}", query="up") for position in range(count))
    assert faults_of(replace(PROMETHEUS, items=items)) == {"items": "must have between 1 and 50 elements"}


def test_check_refuses_the_same_question_twice() -> None:
    """Two questions that give the same points would be in each other's way; the same metric from two questions is fine."""
    assert faults_of(replace(PROMETHEUS, items=(UP, UP))) == {"items[1]": "asks the same for the same metric as an item before it"}
    assert faults_of(replace(PROMETHEUS, items=(UP, replace(UP, query="up{job='b'}")))) == {}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (None, "is required"),
        ("prometheus:9090", "must be an absolute http or https URL"),
        ("http://user:pass@prometheus", "must not hold a user name or password"),
        ("http://169.254.169.254", "must not lead to 169.254.169.254: it is a metadata address"),
        ("http://prometheus?x=1", "must have neither a query nor a fragment"),
        ("http://prometheus/" + "x" * 2048, "must have at most 2048 characters"),
    ],
)
def test_check_refuses_addresses(url: str | None, message: str) -> None:
    """An address leads somewhere, and not where clouds tell their credentials."""
    assert faults_of(replace(PROMETHEUS, config=ConfigDraft(base_url=url))) == {"config.baseUrl": message}


def test_check_refuses_metadata_hosts_of_databases() -> None:
    """The same holds for databases, whoever polls them."""
    draft = replace(POSTGRES, config=replace(POSTGRES.config, host="169.254.169.254"))
    expected = {"config.host": "must not lead to 169.254.169.254: it is a metadata address"}
    assert faults_of(draft) == expected
    assert faults_of(replace(draft, collector_id=COLLECTOR)) == expected


def test_check_reads_paths_of_documents() -> None:
    """An address of a document may have a query, and its items are JSON paths."""
    config = ConfigDraft(base_url="https://shop.example/stats?range=1h")
    good = replace(PROMETHEUS, type="http", config=config, items=(replace(UP, query="$.shops[*]", value_column="open"),))
    assert faults_of(good) == {}
    bad = replace(good, items=(replace(UP, query="shops["),))
    assert list(faults_of(bad)) == ["items[0].query"]


def test_check_refuses_a_secret_that_no_header_can_carry() -> None:
    """Without a username a secret is a bearer token; as a password it may hold anything."""
    draft = replace(PROMETHEUS, secret="pässword ")
    assert faults_of(draft) == {"secret": "must be printable ASCII without blanks: without a username it is a bearer token"}
    assert faults_of(replace(draft, config=replace(draft.config, username="admin"))) == {}
    assert faults_of(replace(PROMETHEUS, config=replace(draft.config, username="a:b"))) == {"config.username": "must not contain a colon"}
