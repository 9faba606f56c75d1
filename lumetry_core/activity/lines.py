"""What filters and searches look at, of items: a line of each, and the lines of a block, packed."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import zstandard

from lumetry_core.activity.model import LOG_KINDS, OPEN_KINDS, Item, ItemFilter, Sight

SEPARATOR = "\n"
"""Between lines; within a line there is none."""
BETWEEN = "\x7f"
"""Between the texts of an item: no search runs over the border of two."""
FIELD = "\x1f"
BLANKS = str.maketrans({chr(code): " " for code in range(32)} | {BETWEEN: " ", SEPARATOR: BETWEEN})
LEVEL = 3
VERSION = 1
PLACE = np.dtype(">u2")


@dataclass(frozen=True, slots=True)
class Line:
    """An item as it is searched.

    `key` is its kind, agent, machine without case, and projects joined by commas, between FIELDs; what is absent is empty.
    """

    id: int
    key: str
    text: str


class Packed(msgspec.Struct, array_like=True):
    """Lines in their stored form."""

    version: int
    first_id: int
    gaps: list[int]
    """How much larger the number of each line is than it would be without gaps; empty without gaps."""
    keys: str
    """The different ones, as lines."""
    key_of: bytes
    """Of each line the place of its key."""
    texts: str


def line_of(item: Item) -> Line:
    """The line of an item."""
    return Line(item.id, key_of(item), text_of(item))


def key_of(item: Item) -> str:
    """The key of an item's line."""
    draft = item.draft
    machine = folded(draft.machine).replace(FIELD, " ") if draft.machine else ""
    return FIELD.join((draft.kind, draft.agent_id or "", machine, ",".join(draft.project_ids)))


def text_of(item: Item) -> str:
    """The text of an item's line."""
    draft = item.draft
    return folded(SEPARATOR.join(part for part in (draft.title, draft.summary, draft.machine, draft.actor.name) if part))


def folded(text: str) -> str:
    """Text without case, in one line."""
    if text.isascii():
        return text.lower().translate(BLANKS)
    return unicodedata.normalize("NFC", text).casefold().translate(BLANKS)


def pack(lines: Sequence[Line]) -> bytes:
    """Packs lines with ascending numbers."""
    places: dict[str, int] = {}
    key_of = np.array([places.setdefault(line.key, len(places)) for line in lines], PLACE).tobytes()
    first = lines[0].id
    gaps = [line.id - first - number for number, line in enumerate(lines)]
    texts = SEPARATOR.join(line.text for line in lines)
    packed = Packed(VERSION, first, gaps if any(gaps) else [], SEPARATOR.join(places), key_of, texts)
    return zstandard.ZstdCompressor(LEVEL).compress(msgspec.msgpack.encode(packed))


class Matcher:
    """Tells which items are wanted and may be seen."""

    def __init__(self, wanted: ItemFilter, sight: Sight) -> None:
        self._wanted = wanted
        self._sight = sight
        self._search = folded(wanted.search)
        self._machine = None if wanted.machine is None else folded(wanted.machine).replace(FIELD, " ")
        self._needle = wanted.agent_id or wanted.project_id or self._machine
        """What must be part of a key."""

    def matches(self, item: Item) -> bool:
        """Whether an item is."""
        return self._fits(key_of(item)) and (not self._search or self._search in text_of(item))

    def find_packed(self, packed: bytes) -> list[int]:
        """The numbers of the items of a block that are, ascending."""
        block = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(packed), type=Packed)
        keys, key_of = block.keys.split(SEPARATOR), np.frombuffer(block.key_of, PLACE)
        if self._search:
            found: Iterable[int] = find_lines(block.texts, self._search)
            places = [place for place in found if self._fits(keys[key_of[place]])]
        else:
            wanted = find_lines(block.keys, self._needle) if self._needle else range(len(keys))
            fits = np.zeros(len(keys), np.bool_)
            fits[[number for number in wanted if self._fits(keys[number])]] = True
            places = np.flatnonzero(fits[key_of]).tolist()
        return [block.first_id + place + (block.gaps[place] if block.gaps else 0) for place in places]

    def _fits(self, key: str) -> bool:
        wanted = self._wanted
        kind, _, rest = key.partition(FIELD)
        if (wanted.kinds and kind not in wanted.kinds) or (kind in LOG_KINDS and not self._sight.has_logs):
            return False
        agent, machine, projects = rest.split(FIELD)
        if wanted.agent_id not in (None, agent) or self._machine not in (None, machine):
            return False
        of = projects.split(",") if projects else []
        is_visible = not of or kind in OPEN_KINDS or not self._sight.hidden_projects.issuperset(of)
        return is_visible and (wanted.project_id is None or wanted.project_id in of)


def find_lines(lines: str, part: str) -> Iterator[int]:
    """The places of the lines that hold a text, ascending."""
    line, start = 0, 0
    while (found := lines.find(part, start)) >= 0:
        line += lines.count(SEPARATOR, start, found)
        yield line
        end = lines.find(SEPARATOR, found)
        if end < 0:
            return
        line, start = line + 1, end + 1
