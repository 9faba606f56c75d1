"""Cutting pages at their headings into the text that readers see."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from lumetry_core.documentation.model import Page, Passage, Section

MAX_SENTENCE = 600
"""Longer ones are not quoted."""
SENTENCE_END = re.compile(r"(?<=[.!?])[)\"'”]?\s+(?=[^\s a-z])")
ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|cf|approx|no)|…)\.?$", re.IGNORECASE)
UNNAMED = re.compile(r"[^\w\- ]")


def parse(markdown: str) -> list[Token]:
    """The tokens of a page. Markup of other languages counts as text."""
    return MarkdownIt("commonmark", {"html": False}).enable("table").parse(markdown)


def cut(page: Page) -> list[Section]:
    """The sections of a page in their order."""
    sections: list[Section] = []
    heading, anchor, blocks, code = page.title, "", list[str | None](), list[str]()
    anchors = Anchors()

    def close() -> None:
        if blocks or code:
            sections.append(Section(page, heading, anchor, tuple(join(blocks)), "\n".join(code)))

    for kind, text in read_blocks(parse(page.markdown)):
        if kind == "heading":
            close()
            heading, anchor, blocks, code = text, anchors.name(text), [], []
        elif kind == "code":
            code.append(text)
            blocks.append(None)
        else:
            blocks.append(text)
    close()
    return sections


def list_anchors(markdown: str) -> list[str]:
    """The anchor of each heading of a page, in their order."""
    anchors = Anchors()
    return [anchors.name(text) for kind, text in read_blocks(parse(markdown)) if kind == "heading"]


class Anchors:
    """Names headings of one page, each by its words, with a number when others have the same."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def name(self, heading: str) -> str:
        """The anchor of the next heading."""
        plain = UNNAMED.sub("", unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode().lower()).strip()
        anchor = re.sub(r"[\s]+", "-", plain) or "section"
        count = self._taken[anchor] = self._taken.get(anchor, -1) + 1
        return f"{anchor}-{count}" if count else anchor


def read_blocks(tokens: Sequence[Token]) -> Iterator[tuple[str, str]]:
    """What stands on a page, one after the other: `heading`, `text` (a paragraph, an item, a row of a table) or `code`."""
    cells: list[str] | None = None
    is_heading = is_head = False
    for token in tokens:
        match token.type:
            case "heading_open" | "heading_close":
                is_heading = token.nesting == 1
            case "thead_open" | "thead_close":
                is_head = token.nesting == 1
            case "tr_open":
                cells = []
            case "tr_close":
                if cells and not is_head:
                    yield "text", " ".join(cell for cell in cells if cell)
                cells = None
            case "inline":
                text = " ".join(read_inline(token).split())
                if cells is not None:
                    cells.append(text)
                else:
                    yield "heading" if is_heading else "text", text
            case "fence" | "code_block":
                yield "code", token.content


def read_inline(token: Token) -> str:
    """The text of a line with markup."""
    parts = []
    for child in token.children or ():
        if child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        elif child.type in ("text", "code_inline", "image"):
            parts.append(child.content)
    return "".join(parts)


def join(blocks: Sequence[str | None]) -> Iterator[Passage]:
    """Passages made of blocks; None is code, between passages."""
    run: list[str] = []
    for block in (*blocks, None):
        if block is not None:
            run.append(block)
        elif run:
            yield make_passage(run)
            run = []


def make_passage(blocks: Sequence[str]) -> Passage:
    """A passage made of blocks that follow each other."""
    sentences: list[tuple[int, int]] = []
    offset = 0
    for block in blocks:
        sentences += [(offset + start, offset + end) for start, end in split(block) if end - start <= MAX_SENTENCE]
        offset += len(block) + 1
    return Passage(" ".join(blocks), tuple(sentences))


def split(block: str) -> Iterator[tuple[int, int]]:
    """Where the sentences of a block begin and end."""
    start = 0
    for end in SENTENCE_END.finditer(block):
        before = block[start : end.start()]
        if ABBREVIATION.search(before):
            continue
        if before.strip():
            yield start, start + len(block[start : end.end()].rstrip())
        start = end.end()
    if block[start:].strip():
        yield start, start + len(block[start:].rstrip())
