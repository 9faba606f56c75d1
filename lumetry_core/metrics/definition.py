"""What a sender says of a series: checked (contract 4.1) and brought into canonical form."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

MAX_LABELS = 32
MAX_LABEL_VALUE = 512
MAX_ORIGIN = 128
DEFAULT_NAMESPACE = "default"
DEFAULT_SOURCE = "custom"
DEFAULT_CATALOG_SOURCE = "api"
METRIC_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/-]{0,254}")
LABEL_KEY = re.compile(r"[^=|\x00-\x1f\x7f-\x9f]{1,128}")
IDENTITY_BYTES = 16


@dataclass(frozen=True, slots=True)
class Definition:
    """A series as its sender defines it. `labels` is packed; `faults` are pairs of field and message, empty when it is valid."""

    metric_key: str
    labels: bytes
    namespace: str
    source: str
    faults: tuple[tuple[str, str], ...] = ()
    catalog_source: str = DEFAULT_CATALOG_SOURCE
    """Where the metric comes from, should this be its first series."""


def define(metric_key: str, labels: Iterable[tuple[str, str]], namespace: str, source: str) -> Definition:
    """Checks a definition and brings it into canonical form; labels with an empty value count as absent."""
    faults: list[tuple[str, str]] = []
    if METRIC_KEY.fullmatch(metric_key) is None:
        faults.append(("metricName", "must be 1 to 255 characters of A-Z a-z 0-9 _ . : / - and start with a letter or _"))
    kept: dict[str, str] = {}
    for key, value in labels:
        if not value:
            continue
        if key in kept:
            faults.append((f"labels.{key}", "is given twice"))
        elif LABEL_KEY.fullmatch(key) is None:
            faults.append((f"labels.{key}", "label names have 1 to 128 characters without =, | and control characters"))
        elif len(value) > MAX_LABEL_VALUE:
            faults.append((f"labels.{key}", f"must have at most {MAX_LABEL_VALUE} characters"))
        kept[key] = value
    if len(kept) > MAX_LABELS:
        faults.append(("labels", f"must be at most {MAX_LABELS}"))
    for field, text in (("namespace", namespace), ("source", source)):
        if len(text) > MAX_ORIGIN or "\0" in text:
            faults.append((field, f"must have at most {MAX_ORIGIN} characters and no NUL"))
    return Definition(metric_key, pack_labels(kept), namespace or DEFAULT_NAMESPACE, source or DEFAULT_SOURCE, tuple(faults))


def pack_labels(labels: Mapping[str, str]) -> bytes:
    """The canonical form of a label set: MessagePack of a map sorted by name."""
    return msgspec.msgpack.encode(dict(sorted(labels.items())))


def unpack_labels(packed: bytes) -> dict[str, str]:
    """A label set from its canonical form, sorted by name."""
    return msgspec.msgpack.decode(packed, type=dict[str, str])


def identity_of(organization_id: int, metric_key: str, labels: bytes) -> bytes:
    """The identity of a stored series: a digest of organization, metric key and packed labels."""
    digest = hashlib.blake2b(organization_id.to_bytes(8, "little"), digest_size=IDENTITY_BYTES)
    digest.update(metric_key.encode())
    digest.update(b"\0")
    digest.update(labels)
    return digest.digest()
