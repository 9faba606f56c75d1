"""How the configuration of metric sources is read (contract lumetry 5.8)."""

from typing import Any

import pytest

from gateway.contracts.lumetry.metric_sources import (
    ADDRESSED,
    DATABASES,
    DatabaseSourceBody,
    HttpSourceBody,
    UnknownSourceBody,
    kind_of,
    make_config,
)
from gateway.transcode.failures import Fault
from gateway.transcode.reading import read_body
from lumetry.metricsources.v1 import metric_source_service_pb2 as pb
from lumetry_core.metricsources.model import DATABASES as OF_CORE
from lumetry_core.metricsources.model import SourceType

EVERYTHING = {"baseUrl": "http://a", "username": "u", "host": "h", "port": 1, "database": "d", "tls": True, "more": []}


@pytest.mark.parametrize(
    ("source_type", "kind", "config"),
    [
        ("thanos", HttpSourceBody, pb.MetricSourceConfig(base_url="http://a", username="u")),
        ("mysql", DatabaseSourceBody, pb.MetricSourceConfig(host="h", port=1, database="d", username="u", tls=True)),
        ("none", UnknownSourceBody, pb.MetricSourceConfig()),
    ],
)
def test_type_decides_which_members_there_are(source_type: str, kind: Any, config: pb.MetricSourceConfig) -> None:
    """The others are ignored like any unknown member."""
    faults: list[Fault] = []
    body = read_body(kind_of({"type": source_type}), {"type": source_type, "config": EVERYTHING}, faults)
    assert (type(body), make_config(body.config), faults) == (kind, config, [])


@pytest.mark.parametrize(
    ("source_type", "paths"),
    [("prometheus", ["config.baseUrl"]), ("postgres", ["config.host", "config.port", "config.tls"]), ("none", []), (3, ["type"])],
)
def test_members_of_other_types_are_not_judged(source_type: object, paths: list[str]) -> None:
    """A member of the wrong kind is a fault of those types alone that have it."""
    faults: list[Fault] = []
    data = {"type": source_type, "config": {"baseUrl": 1, "host": 2, "port": "3", "tls": "yes"}}
    read_body(kind_of(data), data, faults)
    assert [fault.path for fault in faults] == paths


def test_types_are_those_of_the_core() -> None:
    """Every type has a host or an address, in the gateway as in the core."""
    assert {each.value for each in OF_CORE} == DATABASES
    assert {each.value for each in SourceType} == DATABASES | ADDRESSED
    assert not DATABASES & ADDRESSED
