"""Pages, sections and what is quoted from them."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Page:
    """A page. `path` is its address below `/docs/`, `source` that of its file."""

    path: str
    title: str
    source: str
    markdown: str


@dataclass(frozen=True, slots=True)
class Passage:
    """Text as a reader of the page sees it, and where its sentences begin and end."""

    text: str
    sentences: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Section:
    """What stands below a heading, up to the next one."""

    page: Page
    heading: str
    """Equal to the page's title before its first other heading."""
    anchor: str
    passages: Sequence[Passage]
    code: str
    """What is found, but not quoted."""


@dataclass(frozen=True, slots=True)
class Quotation:
    """A sentence of the documentation, word for word, and the positions of the citations that hold it."""

    text: str
    citations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Citation:
    """A place in the documentation. `path` has the anchor; the excerpt holds every sentence that names it."""

    title: str
    path: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the documentation says; empty: nothing."""

    quotations: Sequence[Quotation] = ()
    citations: Sequence[Citation] = ()
