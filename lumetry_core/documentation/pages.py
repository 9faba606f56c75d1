"""Which pages there are, wherever the product was installed from."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from lumetry_core.documentation.model import Page

SHIPPED = Path(__file__).parent / "source"
"""Where the wheel puts the files; in a checkout they are where they are written."""
CHECKOUT = Path(__file__).parents[2]
GUIDE = (
    "first-steps",
    "metrics",
    "logs",
    "monitors",
    "incidents",
    "alerting",
    "silences",
    "projects",
    "keys",
    "backup",
)
"""The pages for users, in the order in which they are listed."""


@cache
def read_pages() -> tuple[Page, ...]:
    """All pages in their order: the guide, the introduction, the contracts, the rest. They do not change while the process runs."""
    root = SHIPPED if SHIPPED.is_dir() else CHECKOUT
    return tuple(read_page(root, path, file) for path, file in list_sources(root))


def list_sources(root: Path) -> Iterator[tuple[str, Path]]:
    """Address and file of each page that is there."""
    docs = root / "docs"
    named = [(name, docs / "guide" / f"{name}.md") for name in GUIDE]
    named.append(("readme", root / "README.md"))
    named += [(f"contracts/{file.stem}", file) for file in sorted((docs / "contracts").glob("*.md"))]
    named += [(file.stem, file) for file in sorted(docs.glob("*.md"))]
    return ((path, file) for path, file in named if file.is_file())


def read_page(root: Path, path: str, file: Path) -> Page:
    """One page; it begins with its title."""
    markdown = file.read_text()
    title = next((line.removeprefix("# ").strip() for line in markdown.splitlines() if line.startswith("# ")), path)
    return Page(path, title, file.relative_to(root).as_posix(), markdown)
