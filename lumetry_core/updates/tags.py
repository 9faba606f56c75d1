"""Compares tags as versions (contract monitoring 15)."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from lumetry_core.updates.globs import matches_any

NUMBERS = re.compile(r"(?P<prefix>[vV]?)(?P<numbers>[0-9]{1,18}(?:\.[0-9]{1,18}){0,5})(?P<rest>.*)", re.ASCII)
PRE_RELEASE = re.compile(
    r"(?:a|alpha|b|beta|c|rc|m|pre|preview|dev|devel|next|canary|nightly|snapshot|unstable|edge|milestone|cr|ea|test|testing)[0-9.]*",
    re.ASCII | re.IGNORECASE,
)
WORD_BREAK = re.compile(r"[-_]")
UNMARKED = re.compile(r"(?P<word>(?:a|alpha|b|beta|rc|dev|pre)[.-]?[0-9]+)(?P<rest>(?:[-_].*)?)", re.ASCII | re.IGNORECASE)
"""A pre-release that follows the numbers without a dash, such as `3.14.0rc1`."""
LEAST_STAMP = 100_000


class UpdateType(StrEnum):
    """How far an update goes."""

    MAJOR = "major"
    MINOR = "minor"
    PATCH = "patch"
    DIGEST_ONLY = "digest_only"
    """The tag is the same, what it means is not."""
    UNKNOWN = "unknown"
    """Another stream of tags, of which versions do not tell."""


@dataclass(frozen=True, slots=True)
class Version:
    """A tag that is a version."""

    prefix: str
    """`v` or nothing."""
    numbers: tuple[int, ...]
    variant: str
    """What follows the numbers, such as `alpine` or `slim-bookworm`; empty without."""
    is_pre_release: bool

    @property
    def is_dotted(self) -> bool:
        """Whether there are several numbers."""
        return len(self.numbers) > 1

    @property
    def is_stamp(self) -> bool:
        """Whether it counts days or builds, such as `20240601`."""
        return self.numbers[0] >= LEAST_STAMP


@dataclass(frozen=True, slots=True)
class TagRules:
    """What people say about the tags that may be an update."""

    include: tuple[str, ...] = ()
    """Patterns, of which one must match; none: all tags."""
    exclude: tuple[str, ...] = ()
    """Patterns, of which none may match."""
    ignores_major: bool = False
    within: tuple[int, ...] = ()
    """The numbers with which a version must start; none: any."""


NO_RULES = TagRules()


def parse_version(tag: str) -> Version | None:
    """Reads a tag; None when it is no version."""
    match = NUMBERS.fullmatch(tag)
    if match is None:
        return None
    rest, is_pre_release = match["rest"], False
    if rest and rest[0] not in "-_":
        unmarked = UNMARKED.fullmatch(rest.removeprefix("."))
        if unmarked is None:
            return None
        rest, is_pre_release = unmarked["rest"], True
    words = WORD_BREAK.split(rest[1:]) if rest else []
    if any(not word for word in words):
        return None
    kept = [word for word in words if not PRE_RELEASE.fullmatch(word)]
    is_pre_release |= len(kept) < len(words)
    if is_pre_release:
        kept = drop_counter(words, kept)
    numbers = tuple(int(number) for number in match["numbers"].split("."))
    return Version(match["prefix"].lower(), numbers, "-".join(kept), is_pre_release)


def drop_counter(words: Sequence[str], kept: Sequence[str]) -> list[str]:
    """The words of a variant without a number that belongs to a pre-release before it, as in `1.0-rc-2`."""
    counters = {second for first, second in pairwise(words) if PRE_RELEASE.fullmatch(first) and second.isdecimal()}
    return [word for word in kept if word not in counters]


def find_newest(current: str, tags: Iterable[str], rules: TagRules = NO_RULES) -> tuple[str, UpdateType] | None:
    """The highest tag above the current one that is of its kind, and how far it goes; None when there is none.

    Of its kind are versions with the same prefix and variant, no pre-releases, with dots exactly when the current one has some, no build
    numbers for version numbers. What the
    current tag leaves open it moves with: `1.27` is not behind `1.27.3`, but behind `1.28.0`.
    """
    running = parse_version(current)
    if running is None:
        return None
    best: tuple[tuple[object, ...], str, UpdateType] | None = None
    for tag in tags:
        version = parse_version(tag)
        if version is None or not is_of_kind(version, running) or not is_allowed(tag, version, running, rules):
            continue
        step = compare(running, version)
        if step is None:
            continue
        # Of equal versions the one that is written like the current one.
        rank = (strip_zeros(version.numbers), len(version.numbers) == len(running.numbers), -len(version.numbers), tag)
        if best is None or rank > best[0]:
            best = (rank, tag, step)
    return None if best is None else best[1:]


def is_of_kind(version: Version, running: Version) -> bool:
    """Whether a version can follow the one that runs."""
    return (
        not version.is_pre_release
        and version.prefix == running.prefix
        and version.variant == running.variant
        and version.is_dotted == running.is_dotted
        and version.is_stamp == running.is_stamp
    )


def is_allowed(tag: str, version: Version, running: Version, rules: TagRules) -> bool:
    """Whether people want to hear of a tag."""
    if rules.include and not matches_any(rules.include, tag):
        return False
    if matches_any(rules.exclude, tag) or version.numbers[: len(rules.within)] != rules.within:
        return False
    return not (rules.ignores_major and version.numbers[0] != running.numbers[0])


def compare(running: Version, version: Version) -> UpdateType | None:
    """How far a version is above the one that runs; None when it is not."""
    length = len(running.numbers)
    ours = running.numbers
    theirs = (version.numbers + (0,) * length)[:length]
    if theirs == ours:
        return UpdateType.PATCH if running.is_pre_release else None
    if theirs < ours:
        return None
    place = next(place for place in range(length) if theirs[place] != ours[place])
    return (UpdateType.MAJOR, UpdateType.MINOR)[place] if place < 2 else UpdateType.PATCH


def strip_zeros(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """Numbers without the zeros at their end, which say nothing."""
    end = len(numbers)
    while end and numbers[end - 1] == 0:
        end -= 1
    return numbers[:end]
