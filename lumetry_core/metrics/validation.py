"""Checks what people send for the definition of a metric, noting every fault by its path in the contract (5.1, 6.1)."""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from lumetry_core.metrics.definition import DEFAULT_NAMESPACE, LABEL_KEY, MAX_LABELS, MAX_ORIGIN, METRIC_KEY
from lumetry_core.metrics.draft import DeviationDraft, FleetDraft, MetricDraft
from lumetry_core.metrics.fleet_contract import (
    BASELINE_DEFAULT,
    NO_FLEET,
    PEER_DEFAULT,
    Analysis,
    DeviationConfig,
    FleetContract,
    FleetDirection,
)
from lumetry_core.metrics.labels import LABEL_NAMES, check_labels
from lumetry_core.metrics.model import MetricFields, MetricType
from lumetry_core.runtime.errors import Faults

MAX_DISPLAY_NAME = 255
MAX_DESCRIPTION = 4000
MAX_UNIT = 64
MAX_ENTITY_TYPE = 64
MAX_ENTITY_IDENTIFIER = 200
MAX_METADATA_BYTES = 8192
MAX_METADATA_DEPTH = 12
MIN_PEER_COUNT = (2, 10_000)
MAX_CARDINALITY = (1, 100_000)
TICKS = (1, 100)
PEER_PATHS = {"threshold": "madThreshold", "critical_threshold": "criticalMadThreshold"}
BASELINE_PATHS = {"threshold": "zThreshold", "critical_threshold": "criticalZThreshold"}

Choice = TypeVar("Choice", bound=StrEnum)


class MetricMode(StrEnum):
    """Whether a metric has members."""

    SINGLE = "single"
    MULTIDIMENSIONAL = "multidimensional"


def check_metric_key(metric_key: str | None, faults: Faults) -> str:
    """Reads the key of a new definition."""
    key = metric_key or ""
    if METRIC_KEY.fullmatch(key) is None:
        faults.add("metricKey", "must be 1 to 255 characters of A-Z a-z 0-9 _ . : / - and start with a letter or _")
    return key


def check_fields(draft: MetricDraft, metric_key: str, faults: Faults) -> MetricFields:
    """Reads the writable fields, filling in defaults. They are to be used only when no fault was noted.

    Whether the key is free and the baseline profile exists is checked by the caller, who can look them up.
    """
    multidimensional = read_exact(MetricMode, draft.metric_mode, "metricMode", MetricMode.SINGLE, faults) is MetricMode.MULTIDIMENSIONAL
    entity_type = read_text(draft.entity_type, "entityType", MAX_ENTITY_TYPE, faults)
    faults.check(entity_type == entity_type.upper(), "entityType", "must be in upper case")
    return MetricFields(
        display_name=read_text(draft.display_name, "displayName", MAX_DISPLAY_NAME, faults) or metric_key,
        description=read_text(draft.description, "description", MAX_DESCRIPTION, faults),
        unit=read_text(draft.unit, "unit", MAX_UNIT, faults),
        metric_type=read_exact(MetricType, draft.metric_type, "metricType", MetricType.GAUGE, faults),
        namespace=read_text(draft.namespace, "namespace", MAX_ORIGIN, faults) or DEFAULT_NAMESPACE,
        metadata=read_metadata(draft.metadata, faults),
        entity_type=entity_type,
        entity_identifier=read_text(draft.entity_identifier, "entityIdentifier", MAX_ENTITY_IDENTIFIER, faults),
        multidimensional=multidimensional,
        dimension_keys=read_dimension_keys(draft.dimension_keys, faults, multidimensional=multidimensional),
        is_active=draft.is_active is not False,
        fleet=read_fleet(draft.fleet, draft.dimension_keys, faults, multidimensional=multidimensional),
    )


def read_text(text: str | None, path: str, limit: int, faults: Faults) -> str:
    """Reads a text without the blanks around it; empty when it is absent."""
    kept = (text or "").strip()
    faults.check(len(kept) <= limit, path, f"must have at most {limit} characters")
    faults.check("\0" not in kept, path, "must not contain the character NUL")
    return kept


def read_exact(kind: type[Choice], word: str | None, path: str, default: Choice, faults: Faults) -> Choice:
    """Reads a word exactly as it is spelled."""
    if word is None:
        return default
    if word in set(kind):
        return kind(word)
    faults.add(path, f"must be one of {', '.join(kind)}")
    return default


def read_dimension_keys(names: Sequence[str], faults: Faults, *, multidimensional: bool) -> tuple[str, ...]:
    """Reads the labels that separate members, into their order."""
    if not multidimensional:
        faults.check(not names, "dimensionKeys", "must be empty for a single metric")
        return ()
    faults.check(bool(names), "dimensionKeys", "are required for a multidimensional metric")
    faults.check(len(names) <= MAX_LABELS, "dimensionKeys", f"must be at most {MAX_LABELS}")
    seen: set[str] = set()
    for position, name in enumerate(names):
        path = f"dimensionKeys[{position}]"
        faults.check(LABEL_KEY.fullmatch(name) is not None, path, LABEL_NAMES)
        faults.check(name not in seen, path, "is given twice")
        seen.add(name)
    return tuple(sorted(seen))


def read_fleet(draft: FleetDraft, dimension_keys: Sequence[str], faults: Faults, *, multidimensional: bool) -> FleetContract:
    """Reads how members are compared."""
    check_labels(draft.scope, "scope", faults)
    split = draft.split_dimension
    faults.check(split is None or split in dimension_keys, "splitDimension", "must be one of dimensionKeys")
    return FleetContract(
        analyses=read_analyses(draft.analyses, faults, multidimensional=multidimensional),
        split_dimension=split,
        scope=dict(draft.scope),
        min_peer_count=read_count(draft.min_peer_count, NO_FLEET.min_peer_count, MIN_PEER_COUNT, "minPeerCount", faults),
        max_cardinality=read_count(draft.max_cardinality, NO_FLEET.max_cardinality, MAX_CARDINALITY, "maxCardinality", faults),
        peer=read_deviation(draft.peer, PEER_DEFAULT, "peerConfig", PEER_PATHS, faults),
        baseline=read_deviation(draft.baseline, BASELINE_DEFAULT, "baselineConfig", BASELINE_PATHS, faults),
    )


def read_analyses(names: Sequence[str], faults: Faults, *, multidimensional: bool) -> tuple[Analysis, ...]:
    """Reads what is analysed, into a fixed order."""
    faults.check(multidimensional or not names, "analyses", "must be empty for a single metric")
    for position, name in enumerate(names):
        path = f"analyses[{position}]"
        faults.check(name in set(Analysis), path, f"must be one of {', '.join(Analysis)}")
        faults.check(name not in names[:position], path, "is given twice")
    return tuple(analysis for analysis in Analysis if analysis in names)


def read_deviation(
    draft: DeviationDraft, default: DeviationConfig, path: str, own_paths: Mapping[str, str], faults: Faults
) -> DeviationConfig:
    """Reads when a member deviates.

    Args:
        own_paths: How the contract calls the thresholds of this analysis.
    """
    threshold_path, critical_path = (f"{path}.{own_paths[name]}" for name in ("threshold", "critical_threshold"))
    threshold = read_number(draft.threshold, default.threshold, threshold_path, faults, above=0)
    critical = draft.critical_threshold
    if critical is not None:
        read_number(critical, critical, critical_path, faults, above=0)
        faults.check(not critical < threshold, critical_path, f"must be at least {own_paths['threshold']}")
    if default is PEER_DEFAULT:
        faults.check(draft.baseline_profile_id is None, f"{path}.baselineProfileId", "peers have no baseline")
    return DeviationConfig(
        threshold=threshold,
        critical_threshold=critical,
        min_deviation_percent=read_number(
            draft.min_deviation_percent, default.min_deviation_percent, f"{path}.minDeviationPercent", faults, least=0
        ),
        min_absolute_deviation=read_number(
            draft.min_absolute_deviation, default.min_absolute_deviation, f"{path}.minAbsoluteDeviation", faults, least=0
        ),
        direction=read_exact(FleetDirection, draft.direction, f"{path}.direction", default.direction, faults),
        open_ticks=read_count(draft.open_ticks, default.open_ticks, TICKS, f"{path}.openTicks", faults),
        close_ticks=read_count(draft.close_ticks, default.close_ticks, TICKS, f"{path}.closeTicks", faults),
        baseline_profile_id=draft.baseline_profile_id,
    )


def read_number(
    value: float | None, default: float, path: str, faults: Faults, *, above: float | None = None, least: float | None = None
) -> float:
    """Reads a finite number within its bound."""
    if value is None:
        return default
    if not math.isfinite(value):
        faults.add(path, "must be a finite number")
    elif above is not None and value <= above:
        faults.add(path, f"must be above {above:g}")
    elif least is not None and value < least:
        faults.add(path, f"must be at least {least:g}")
    return value


def read_count(value: int | None, default: int, bounds: tuple[int, int], path: str, faults: Faults) -> int:
    """Reads a whole number within bounds, both included."""
    if value is None:
        return default
    faults.check(bounds[0] <= value <= bounds[1], path, f"must be between {bounds[0]} and {bounds[1]}")
    return value


def read_metadata(sent: str | None, faults: Faults, path: str = "metadata") -> dict[str, Any]:
    """Reads a JSON object of people's; empty when it is absent."""
    if sent is None:
        return {}
    try:
        document = msgspec.json.decode(sent)
    except (msgspec.DecodeError, RecursionError):
        document = None
    if not isinstance(document, dict):
        faults.add(path, "must be a JSON object")
        return {}
    if depth_of(document) > MAX_METADATA_DEPTH:
        faults.add(path, f"must be nested at most {MAX_METADATA_DEPTH} deep")
        return {}
    size = len(msgspec.json.encode(document))
    faults.check(size <= MAX_METADATA_BYTES, path, f"must have at most {MAX_METADATA_BYTES} bytes")
    faults.check(not holds_nul(document), path, "must not contain the character NUL")
    return document


def depth_of(value: object, limit: int = MAX_METADATA_DEPTH) -> int:
    """How deep objects and arrays are nested, counted up to one more than the limit."""
    if not isinstance(value, dict | list):
        return 0
    if limit == 0:
        return 1
    return 1 + max((depth_of(inner, limit - 1) for inner in (value.values() if isinstance(value, dict) else value)), default=0)


def holds_nul(value: object) -> bool:
    """Whether NUL stands in a text or a name, which not every database keeps."""
    if isinstance(value, dict):
        return any("\0" in name or holds_nul(inner) for name, inner in value.items())
    if isinstance(value, list):
        return any(holds_nul(inner) for inner in value)
    return isinstance(value, str) and "\0" in value
