from lumetry_core.updates.options import ALL_TYPES, UpdateOptions, read_options
from lumetry_core.updates.tags import UpdateType


def test_read_no_labels() -> None:
    """Without labels every option has its default."""
    assert read_options({"com.example": "x"}) == UpdateOptions()


def test_read_all_labels() -> None:
    """Every option of the contract is read."""
    labels = {
        "lumetry.update.enabled": "false",
        "lumetry.update.track": "1.27",
        "lumetry.update.registry": "https://mirror.example:5000/",
        "lumetry.update.pin": "true",
        "lumetry.update.ignore_major": "1",
        "lumetry.update.digest_only": "TRUE",
        "lumetry.update.alert_on": "major, minor",
        "lumetry.update.tag-include": "1.*, 2.*",
        "lumetry.update.tag-exclude": "*-rc*,[",
    }
    options = read_options(labels)
    assert options == UpdateOptions(
        is_enabled=False,
        is_pinned=True,
        track="1.27",
        registry="mirror.example:5000",
        ignores_major=True,
        digest_only=True,
        alert_on=frozenset({UpdateType.MAJOR, UpdateType.MINOR}),
        tag_include=("1.*", "2.*"),
        tag_exclude=("*-rc*",),
    )
    assert options.within == (1, 27)


def test_read_the_own_prefix_first() -> None:
    """Of two labels for one option that of the product wins."""
    options = read_options({"maintenant.update.track": "stable", "lumetry.update.track": "edge", "maintenant.update.pin": "1"})
    assert (options.track, options.is_pinned) == ("edge", True)


def test_read_nonsense() -> None:
    """What cannot be read has its default."""
    labels = {"lumetry.update.enabled": "perhaps", "lumetry.update.track": "a b", "lumetry.update.alert_on": "x,y"}
    assert read_options(labels) == UpdateOptions(alert_on=ALL_TYPES)
