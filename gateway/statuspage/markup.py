"""HTML that cannot be forged: whatever is not HTML already is escaped."""

from collections.abc import Iterable
from html import escape

VOID = frozenset({"link", "meta", "br"})


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


Part = str | Iterable[str] | None
"""HTML, text that is escaped, several of both, or nothing."""


def join(*parts: Part) -> Html:
    """Parts behind each other."""
    return Html("".join(spell(part) for part in parts))


def spell(part: Part) -> str:
    """A part as HTML."""
    if part is None:
        return ""
    if isinstance(part, Html):
        return str.__str__(part)
    if isinstance(part, str):
        return escape(part)
    return "".join(spell(each) for each in part)


def element(tag: str, /, *parts: Part, **attributes: str | None) -> Html:
    """An element; attributes that are None are left out, `class_` and the like lose their underscore, others become hyphens."""
    spelled = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items() if value is not None)
    return Html(f"<{tag}{spelled}>" if tag in VOID else f"<{tag}{spelled}>{join(*parts)}</{tag}>")
