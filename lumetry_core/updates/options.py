"""What labels of a container say about its updates (contract monitoring 18). An option that cannot be read has its default."""

from collections.abc import Mapping
from dataclasses import dataclass

from lumetry_core.endpoints.labels import read_option
from lumetry_core.updates.globs import find_glob_fault
from lumetry_core.updates.image import TAG, read_registry
from lumetry_core.updates.tags import UpdateType, parse_version

YES, NO = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
ALL_TYPES = frozenset(UpdateType)


@dataclass(frozen=True, slots=True)
class UpdateOptions:
    """How the updates of one container are looked for."""

    is_enabled: bool = True
    is_pinned: bool = False
    track: str = ""
    """The tag stream to follow instead of the tag that runs: `stable`, or a version such as `1.27` to stay within. Empty: none."""
    registry: str = ""
    """The registry to ask instead of the image's own. Empty: that one."""
    ignores_major: bool = False
    digest_only: bool = False
    alert_on: frozenset[UpdateType] = ALL_TYPES
    tag_include: tuple[str, ...] = ()
    tag_exclude: tuple[str, ...] = ()

    @property
    def within(self) -> tuple[int, ...]:
        """The numbers with which versions must start; empty for any."""
        version = parse_version(self.track) if self.track else None
        return version.numbers if version is not None else ()


def read_options(labels: Mapping[str, str]) -> UpdateOptions:
    """The options of a container's labels."""
    track = read_text(labels, "update.track")
    return UpdateOptions(
        is_enabled=read_switch(labels, "update.enabled", default=True),
        is_pinned=read_switch(labels, "update.pin", default=False),
        track=track if TAG.fullmatch(track) else "",
        registry=read_registry(read_text(labels, "update.registry")),
        ignores_major=read_switch(labels, "update.ignore_major", default=False),
        digest_only=read_switch(labels, "update.digest_only", default=False),
        alert_on=read_types(read_text(labels, "update.alert_on")),
        tag_include=read_globs(labels, "update.tag-include"),
        tag_exclude=read_globs(labels, "update.tag-exclude"),
    )


def read_text(labels: Mapping[str, str], name: str) -> str:
    """The text of an option, without blanks around it; empty without."""
    return read_option(labels, name) or ""


def read_switch(labels: Mapping[str, str], name: str, *, default: bool) -> bool:
    """A switch."""
    word = read_text(labels, name).lower()
    return word in YES if word in YES | NO else default


def read_types(text: str) -> frozenset[UpdateType]:
    """A comma list of update types; all of them when it names none."""
    words = {word.strip() for word in text.split(",")}
    return frozenset(kind for kind in UpdateType if kind.value in words) or ALL_TYPES


def read_globs(labels: Mapping[str, str], name: str) -> tuple[str, ...]:
    """A comma list of patterns, those that are not valid left out."""
    patterns = (pattern.strip() for pattern in read_text(labels, name).split(","))
    return tuple(pattern for pattern in patterns if pattern and find_glob_fault(pattern) is None)
