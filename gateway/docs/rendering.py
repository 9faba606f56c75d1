"""Markdown of the documentation as HTML. What is no Markdown is shown as text, and nothing on a page can run."""

import posixpath
from collections.abc import Mapping, Sequence
from html import escape

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = "/docs/"
STYLE = "/docs/page.css"


def render_page(markdown: str, anchors: Sequence[str], *, title: str, source: str, pages: Mapping[str, str]) -> str:
    """A page.

    Args:
        markdown: Its text.
        anchors: Of its headings, in their order.
        title: Of the window.
        source: Path of the Markdown file, to which its links refer.
        pages: The address of each page by its source.
    """
    renderer = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = renderer.parse(markdown)
    left = iter(anchors)
    for token in tokens:
        if token.type == "heading_open":
            token.attrSet("id", next(left, "section"))
        for child in token.children or ():
            if child.type == "link_open":
                point(child, source, pages)
    return frame(title, renderer.renderer.render(tokens, renderer.options, {}))


def point(link: Token, source: str, pages: Mapping[str, str]) -> None:
    """Leads a link between files to the page of its file; one to a file without a page leads nowhere."""
    target = str(link.attrGet("href") or "")
    path, _, anchor = target.partition("#")
    if not path or ":" in path or path.startswith("/"):
        return
    page = pages.get(posixpath.normpath(posixpath.join(posixpath.dirname(source), path)))
    if page is None:
        link.attrs = {}
    else:
        link.attrSet("href", f"{ROOT}{page}{'#' if anchor else ''}{anchor}")


def render_index(pages: Sequence[tuple[str, str]]) -> str:
    """The list of all pages: address and title of each."""
    items = "".join(f'<li><a href="{ROOT}{escape(path)}">{escape(title)}</a></li>\n' for path, title in pages)
    return frame("Documentation", f"<h1>Documentation</h1>\n<ul>\n{items}</ul>\n")


def frame(title: str, content: str) -> str:
    """A whole document."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n'
        f'<title>{escape(title)} · Lumetry</title>\n<link rel="stylesheet" href="{STYLE}">\n</head>\n<body>\n'
        f'<nav><a href="{ROOT}">Documentation</a> · <a href="{ROOT}api">API</a></nav>\n<main>\n{content}</main>\n</body>\n</html>\n'
    )
