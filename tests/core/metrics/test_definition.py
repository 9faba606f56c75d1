import pytest

from lumetry_core.metrics.definition import define, identity_of, pack_labels, unpack_labels


def test_define_sorts_labels_and_drops_empty_ones() -> None:
    """The canonical form does not depend on order or on empty values; names and origin get their defaults."""
    defined = define("a.b", [("z", "1"), ("a", "2"), ("empty", "")], "", "")
    assert list(unpack_labels(defined.labels).items()) == [("a", "2"), ("z", "1")]
    assert (defined.namespace, defined.source, defined.faults) == ("default", "custom", ())


@pytest.mark.parametrize("key", ["a", "_x", "A.b:c/d-e_9", "a" * 255])
def test_define_takes_metric_keys(key: str) -> None:
    """All characters of the contract, up to 255."""
    assert define(key, [], "", "").faults == ()


@pytest.mark.parametrize("key", ["", "9a", "a b", "é", "a" * 256, "a\n"])
def test_define_refuses_metric_keys(key: str) -> None:
    """Anything else is a fault of `metricName`."""
    assert [field for field, _ in define(key, [], "", "").faults] == ["metricName"]


@pytest.mark.parametrize(
    ("labels", "fields"),
    [
        ([("a=b", "1")], ["labels.a=b"]),
        ([("a|b", "1")], ["labels.a|b"]),
        ([("a\x01", "1")], ["labels.a\x01"]),
        ([("", "1")], ["labels."]),
        ([("k" * 129, "1")], ["labels." + "k" * 129]),
        ([("k", "v" * 513)], ["labels.k"]),
        ([("k", "1"), ("k", "2")], ["labels.k"]),
        ([(f"k{number}", "1") for number in range(33)], ["labels"]),
        ([(f"k{number}", "1") for number in range(32)] + [("empty", "")], []),
        ([("k" * 128, "v" * 512)], []),
    ],
)
def test_define_checks_labels(labels: list[tuple[str, str]], fields: list[str]) -> None:
    """Each fault is named by its label."""
    assert [field for field, _ in define("a", labels, "", "").faults] == fields


def test_define_checks_namespace_and_source() -> None:
    """Both have at most 128 characters."""
    assert [field for field, _ in define("a", [], "n" * 129, "s" * 129).faults] == ["namespace", "source"]


def test_identity_tells_series_apart() -> None:
    """Organization, key and labels count."""
    one, other = pack_labels({"a": "1"}), pack_labels({"a": "2"})
    identities = {identity_of(1, "m", one), identity_of(2, "m", one), identity_of(1, "n", one), identity_of(1, "m", other)}
    assert len(identities) == 4
    assert identity_of(1, "m", pack_labels({"a": "1"})) in identities
