import pytest

from lumetry_core.metrics.dimension import dimension_key_of, dimensions_of_first_point


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
