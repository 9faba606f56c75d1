import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.updates.tags import TagRules, UpdateType, Version, find_newest, parse_version


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("1.27.3", Version("", (1, 27, 3), "", is_pre_release=False)),
        ("v2", Version("v", (2,), "", is_pre_release=False)),
        ("1.27-alpine", Version("", (1, 27), "alpine", is_pre_release=False)),
        ("16.4-bookworm-slim", Version("", (16, 4), "bookworm-slim", is_pre_release=False)),
        ("1.0.0-rc1", Version("", (1, 0, 0), "", is_pre_release=True)),
        ("1.0.0-rc.1-alpine", Version("", (1, 0, 0), "alpine", is_pre_release=True)),
        ("1.0.0-beta-2", Version("", (1, 0, 0), "", is_pre_release=True)),
        ("3.14.0rc1", Version("", (3, 14, 0), "", is_pre_release=True)),
        ("3.14.0a2-slim", Version("", (3, 14, 0), "slim", is_pre_release=True)),
        ("latest", None),
        ("stable-1", None),
        ("1.2.3.x", None),
        ("1.2-", None),
        ("1" * 40, None),
    ],
)
def test_read_versions(tag: str, expected: Version | None) -> None:
    """Tags are read as versions with a variant, and pre-releases are told from variants."""
    assert parse_version(tag) == expected


@pytest.mark.parametrize(
    ("current", "tags", "expected"),
    [
        ("1.25.3", ["1.25.4", "1.26.0", "2.0.0"], ("2.0.0", UpdateType.MAJOR)),
        ("1.25.3", ["1.25.4", "1.26.0", "1.9.9"], ("1.26.0", UpdateType.MINOR)),
        ("1.25.3", ["1.25.10", "1.25.4", "1.25.2"], ("1.25.10", UpdateType.PATCH)),
        ("1.2.3.4", ["1.2.3.5"], ("1.2.3.5", UpdateType.PATCH)),
        ("1.25.3", ["1.25.3", "1.25.2", "latest"], None),
        ("1.25-alpine", ["1.26", "1.26-alpine", "1.27-bookworm"], ("1.26-alpine", UpdateType.MINOR)),
        ("1.25", ["1.26-alpine"], None),
        ("1.25.0", ["1.26.0-rc1", "1.26.0-beta"], None),
        ("1.26.0-rc1", ["1.26.0", "1.26.0-rc2"], ("1.26.0", UpdateType.PATCH)),
        ("16", ["17", "17.1", "20240601"], ("17", UpdateType.MAJOR)),
        ("20240501", ["20240601", "17"], ("20240601", UpdateType.MAJOR)),
        ("16.1", ["17", "20240601", "16.4"], ("16.4", UpdateType.MINOR)),
        ("v1.2.0", ["1.3.0", "v1.2.1"], ("v1.2.1", UpdateType.PATCH)),
        ("1.27", ["1.27.3", "1.27"], None),
        ("1.27", ["1.28.0", "1.28"], ("1.28", UpdateType.MINOR)),
        ("stable", ["1.0.0"], None),
    ],
)
def test_find_the_newest_tag(current: str, tags: list[str], expected: tuple[str, UpdateType] | None) -> None:
    """The highest tag of the same kind wins; without one above the current there is no update."""
    assert find_newest(current, tags) == expected


def test_find_within_rules() -> None:
    """Patterns, a version to stay within and ignoring new majors narrow what may be an update."""
    tags = ["1.25.4", "1.26.0", "1.26.1", "2.0.0"]
    assert find_newest("1.25.3", tags, TagRules(ignores_major=True)) == ("1.26.1", UpdateType.MINOR)
    assert find_newest("1.25.3", tags, TagRules(within=(1, 25))) == ("1.25.4", UpdateType.PATCH)
    assert find_newest("1.25.3", tags, TagRules(include=("1.26.*",), exclude=("*.1",))) == ("1.26.0", UpdateType.MINOR)


NUMBERS = st.lists(st.integers(0, 30), min_size=1, max_size=4)
SUFFIX = st.sampled_from(["", "-alpine", "-slim", "-rc1", "-beta", "rc2"])
TAGS = st.one_of(st.builds(lambda numbers, suffix: ".".join(map(str, numbers)) + suffix, NUMBERS, SUFFIX), st.text(max_size=12))


@given(TAGS, st.lists(TAGS, max_size=30))
def test_find_nothing_worse(current: str, tags: list[str]) -> None:
    """What is found is one of the tags, of the same kind, no pre-release, and nothing is above it; the order of tags does not matter."""
    found = find_newest(current, tags)
    assert found == find_newest(current, list(reversed(tags)))
    running = parse_version(current)
    if found is None or running is None:
        assert found is None
        return
    version = parse_version(found[0])
    assert version is not None
    assert found[0] in tags
    assert not version.is_pre_release
    assert (version.variant, version.prefix, version.is_dotted) == (running.variant, running.prefix, running.is_dotted)
    assert find_newest(found[0], tags) is None


@given(TAGS, st.lists(TAGS, max_size=20))
def test_find_no_major_when_it_is_ignored(current: str, tags: list[str]) -> None:
    """With new majors ignored an update is never one."""
    found = find_newest(current, tags, TagRules(ignores_major=True))
    assert found is None or found[1] is not UpdateType.MAJOR
