import pytest

from lumetry_core.metrics.dimension import dimension_key_of, dimensions_of_first_point, labels_of_member


@pytest.mark.parametrize(
    ("labels", "keys", "multidimensional", "expected"),
    [
        ({"mount": "/var", "host.id": "srv-123"}, ("host.id", "mount"), True, "host.id=srv-123|mount=/var"),
        ({"mount": "/var"}, ("host.id", "mount"), True, "mount=/var"),
        ({"mount": "", "host.id": "a"}, ("host.id", "mount"), True, "host.id=a"),
        ({"other": "x"}, ("host.id", "mount"), True, None),
        ({"host.id": "a"}, (), False, None),
        ({"q": "100%|=a"}, ("q",), True, "q=100%25%7C=a"),
    ],
)
def test_dimension_key_of_labels(labels: dict[str, str], keys: tuple[str, ...], multidimensional: bool, expected: str | None) -> None:
    """Only dimension keys take part, in order; `%` and `|` are escaped in values."""
    assert dimension_key_of(labels, keys, multidimensional) == expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({}, ()),
        ({"mount": "/", "host.id": "a", "host.name": "n", "Z": "1"}, ("Z", "host.id", "mount")),
        ({"environment": "prod", "arch": "arm"}, ("arch", "environment")),
        ({"collector.id": "c"}, ("collector.id",)),
        ({"host.name": "n", "host.id": "a"}, ("host.id",)),
    ],
)
def test_dimensions_of_first_point_leave_out_reserved_labels(labels: dict[str, str], expected: tuple[str, ...]) -> None:
    """Reserved labels other than `host.id` count only when nothing else remains."""
    assert dimensions_of_first_point(labels) == expected


@pytest.mark.parametrize("labels", [{"host.id": "a"}, {"a": "x=1|y%7C%25", "b": "|"}, {"mount": "/var"}])
def test_labels_of_member_read_back_what_a_dimension_key_says(labels: dict[str, str]) -> None:
    """Escaped characters in values come back, and only the first = separates."""
    assert labels_of_member(dimension_key_of(labels, sorted(labels), True)) == labels


def test_labels_of_member_without_dimensions() -> None:
    """A metric that has no members has no labels of its member."""
    assert (labels_of_member(None), labels_of_member("")) == ({}, {})
