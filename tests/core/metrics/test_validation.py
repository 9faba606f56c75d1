import json
import math
from typing import Any

import pytest

from lumetry_core.metrics.draft import DeviationDraft, FleetDraft, MetricDraft
from lumetry_core.metrics.fleet_contract import Analysis, DeviationConfig, FleetContract, FleetDirection
from lumetry_core.metrics.model import MetricFields, MetricType
from lumetry_core.metrics.validation import check_fields, check_metric_key
from lumetry_core.runtime.errors import Faults, LumetryError

MEMBERS = {"metric_mode": "multidimensional", "dimension_keys": ("host.id", "mount")}


def faults_of(**changes: Any) -> dict[str, str]:
    """The faults of a draft by their paths."""
    faults = Faults()
    check_fields(MetricDraft(**changes), "cpu", faults)
    try:
        faults.raise_if_any()
    except LumetryError as error:
        return {fault.path: fault.message for fault in error.faults}
    return {}


def test_check_fills_in_every_default() -> None:
    """Nothing but the key is required; the fleet contract has the documented defaults."""
    faults = Faults()
    assert check_fields(MetricDraft(display_name="  "), "cpu", faults) == MetricFields(
        display_name="cpu",
        description="",
        unit="",
        metric_type=MetricType.GAUGE,
        namespace="default",
        metadata={},
        entity_type="",
        entity_identifier="",
        multidimensional=False,
        dimension_keys=(),
        is_active=True,
        fleet=FleetContract(
            analyses=(),
            split_dimension=None,
            scope={},
            min_peer_count=3,
            max_cardinality=500,
            peer=DeviationConfig(3.5, None, 20.0, 0.0, FleetDirection.BOTH, 3, 3, None),
            baseline=DeviationConfig(3.0, None, 20.0, 0.0, FleetDirection.BOTH, 3, 3, None),
        ),
    )
    assert not faults


def test_check_keeps_what_was_sent() -> None:
    """Texts lose the blanks around them; dimension keys and analyses come into their order."""
    faults = Faults()
    draft = MetricDraft(
        display_name=" Disk use ",
        description="How full",
        unit="%",
        metric_type="counter",
        namespace="os",
        metadata='{"team": {"name": "Ops", "size": 3}}',
        entity_type="HOST",
        entity_identifier="srv-1",
        metric_mode="multidimensional",
        dimension_keys=("mount", "host.id", "Zone"),
        is_active=False,
        fleet=FleetDraft(
            analyses=("baseline_deviation", "peer_deviation"),
            split_dimension="mount",
            scope={"host.group": "web"},
            min_peer_count=2,
            max_cardinality=1,
            peer=DeviationDraft(threshold=2.0, critical_threshold=2.0, min_deviation_percent=0.0, direction="Above", open_ticks=1),
            baseline=DeviationDraft(min_absolute_deviation=1.5, close_ticks=100, baseline_profile_id=4),
        ),
    )
    assert check_fields(draft, "disk", faults) == MetricFields(
        display_name="Disk use",
        description="How full",
        unit="%",
        metric_type=MetricType.COUNTER,
        namespace="os",
        metadata={"team": {"name": "Ops", "size": 3}},
        entity_type="HOST",
        entity_identifier="srv-1",
        multidimensional=True,
        dimension_keys=("Zone", "host.id", "mount"),
        is_active=False,
        fleet=FleetContract(
            analyses=(Analysis.PEER, Analysis.BASELINE),
            split_dimension="mount",
            scope={"host.group": "web"},
            min_peer_count=2,
            max_cardinality=1,
            peer=DeviationConfig(2.0, 2.0, 0.0, 0.0, FleetDirection.ABOVE, 1, 3),
            baseline=DeviationConfig(3.0, None, 20.0, 1.5, FleetDirection.BOTH, 3, 100, 4),
        ),
    )
    assert not faults


def test_check_names_every_fault_at_once() -> None:
    """One answer for the whole body, each fault with its path."""
    found = faults_of(
        display_name="x" * 256,
        description="x" * 4001,
        unit="x" * 65,
        metric_type="Gauge",
        namespace="x" * 129,
        metadata="[]",
        entity_type="Host",
        entity_identifier="x" * 201,
        metric_mode="many",
        dimension_keys=("a",),
        fleet=FleetDraft(
            analyses=("peer_deviation",),
            split_dimension="b",
            scope={"a=b": "x", "c": "", "d": "x" * 513},
            min_peer_count=1,
            max_cardinality=0,
            peer=DeviationDraft(
                threshold=0.0,
                critical_threshold=-1.0,
                min_deviation_percent=-0.1,
                min_absolute_deviation=math.inf,
                direction="both",
                open_ticks=0,
                close_ticks=101,
                baseline_profile_id=1,
            ),
            baseline=DeviationDraft(threshold=math.nan, critical_threshold=math.nan),
        ),
    )
    names = "label names have 1 to 128 characters without =, | and control characters"
    assert found == {
        "displayName": "must have at most 255 characters",
        "description": "must have at most 4000 characters",
        "unit": "must have at most 64 characters",
        "metricType": "must be one of gauge, counter, histogram",
        "namespace": "must have at most 128 characters",
        "metadata": "must be a JSON object",
        "entityType": "must be in upper case",
        "entityIdentifier": "must have at most 200 characters",
        "metricMode": "must be one of single, multidimensional",
        "dimensionKeys": "must be empty for a single metric",
        "analyses": "must be empty for a single metric",
        "splitDimension": "must be one of dimensionKeys",
        "scope.a=b": names,
        "scope.c": "must have 1 to 512 characters and no NUL",
        "scope.d": "must have 1 to 512 characters and no NUL",
        "minPeerCount": "must be between 2 and 10000",
        "maxCardinality": "must be between 1 and 100000",
        "peerConfig.madThreshold": "must be above 0",
        "peerConfig.criticalMadThreshold": "must be at least madThreshold",
        "peerConfig.minDeviationPercent": "must be at least 0",
        "peerConfig.minAbsoluteDeviation": "must be a finite number",
        "peerConfig.direction": "must be one of Above, Below, Both",
        "peerConfig.openTicks": "must be between 1 and 100",
        "peerConfig.closeTicks": "must be between 1 and 100",
        "peerConfig.baselineProfileId": "peers have no baseline",
        "baselineConfig.zThreshold": "must be a finite number",
        "baselineConfig.criticalZThreshold": "must be a finite number",
    }


@pytest.mark.parametrize("name", ["display_name", "description", "unit", "namespace", "entity_type", "entity_identifier"])
def test_check_refuses_nul_in_texts(name: str) -> None:
    """PostgreSQL cannot hold it."""
    assert set(faults_of(**{name: "A\0B"}).values()) == {"must not contain the character NUL"}


def test_check_of_dimension_keys() -> None:
    """They are required for members, spelled like label names, and given once."""
    assert faults_of(metric_mode="multidimensional") == {"dimensionKeys": "are required for a multidimensional metric"}
    assert list(faults_of(metric_mode="multidimensional", dimension_keys=("a", "b|c", "a"))) == ["dimensionKeys[1]", "dimensionKeys[2]"]
    many = tuple(f"k{number}" for number in range(33))
    assert faults_of(metric_mode="multidimensional", dimension_keys=many) == {"dimensionKeys": "must be at most 32"}


def test_check_of_analyses() -> None:
    """They are known, and given once."""
    found = faults_of(**MEMBERS, fleet=FleetDraft(analyses=("peer_deviation", "trend", "peer_deviation")))
    assert found == {"analyses[1]": "must be one of peer_deviation, baseline_deviation", "analyses[2]": "is given twice"}


def test_check_of_a_critical_threshold_against_the_default() -> None:
    """Where only the critical threshold is given, it is compared with the default of the other."""
    fleet = FleetDraft(peer=DeviationDraft(critical_threshold=3.4), baseline=DeviationDraft(critical_threshold=2.9))
    assert faults_of(fleet=fleet) == {
        "peerConfig.criticalMadThreshold": "must be at least madThreshold",
        "baselineConfig.criticalZThreshold": "must be at least zThreshold",
    }


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ("", "must be a JSON object"),
        ('"x"', "must be a JSON object"),
        ("{", "must be a JSON object"),
        ('{"a": 1e999}', "must be a JSON object"),
        (f'{{"a": {"9" * 5000}}}', "must be a JSON object"),
        ('{"a":' * 13 + "1" + "}" * 13, "must be nested at most 12 deep"),
        ('{"a":' + "[" * 100_000 + "]" * 100_000 + "}", "must be a JSON object"),
        (json.dumps({"a": "x" * 8192}), "must have at most 8192 bytes"),
        ('{"a": ["\\u0000"]}', "must not contain the character NUL"),
        ('{"\\u0000": 1}', "must not contain the character NUL"),
    ],
)
def test_check_refuses_metadata(sent: str, message: str) -> None:
    """Only objects of a modest size and depth are kept."""
    assert faults_of(metadata=sent) == {"metadata": message}


@pytest.mark.parametrize("key", [None, "", "1cpu", "a b", "x" * 256, "cpu\0", "ä"])
def test_check_of_a_bad_key(key: str | None) -> None:
    """A key is required and spelled like the names of points."""
    faults = Faults()
    check_metric_key(key, faults)
    with pytest.raises(LumetryError) as caught:
        faults.raise_if_any()
    assert [fault.path for fault in caught.value.faults] == ["metricKey"]


def test_check_of_a_good_key() -> None:
    """The longest one, with every kind of character."""
    faults = Faults()
    key = "_a.B:c/d-9" + "x" * 245
    assert check_metric_key(key, faults) == key
    assert not faults
