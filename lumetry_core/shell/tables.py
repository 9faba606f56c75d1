"""Aligned tables that fit the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass

from lumetry_core.shell.screen import Screen
from lumetry_core.shell.text import clip, pad, width_of

GAP = "  "
LEAST_WIDTH = 12
"""A column that can be cut keeps so much."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; its cells are safe to show."""

    title: str
    cells: Sequence[str]
    is_number: bool = False
    """Aligned to the right."""
    has_colours: bool = False
    """Its words have colours."""
    can_shrink: bool = False
    """Cut when the terminal is narrow."""
    can_go: bool = False
    """Left out when cutting is not enough; of several the last one first."""


def draw_table(columns: Sequence[Column], screen: Screen, indent: str = "") -> list[str]:
    """The lines of a table with its titles. No line is wider than the terminal."""
    shown, widths = fit(columns, None if screen.width is None else screen.width - len(indent))
    lines = [draw_row([column.title for column in shown], shown, widths, screen, indent, is_title=True)]
    rows = zip(*(column.cells for column in shown), strict=True)
    return lines + [draw_row(cells, shown, widths, screen, indent, is_title=False) for cells in rows]


def fit(columns: Sequence[Column], room: int | None) -> tuple[list[Column], list[int]]:
    """Which columns are shown, and how wide, for so much room."""
    shown = list(columns)
    widths = [max(width_of(text) for text in (column.title, *column.cells)) for column in shown]
    if room is None:
        return shown, widths
    least = [min(width, LEAST_WIDTH) if column.can_shrink else width for column, width in zip(shown, widths, strict=True)]
    for place in reversed(range(len(shown))):
        if total_of(least) > room and shown[place].can_go:
            del shown[place], widths[place], least[place]
    while total_of(widths) > room:
        spare = [(width, place) for place, width in enumerate(widths) if width > least[place]]
        if not spare:
            break
        widths[max(spare)[1]] -= 1
    return shown, cut_off(widths, room)


def cut_off(widths: Sequence[int], room: int) -> list[int]:
    """The widths within the room; the columns at the end that have none get nothing."""
    fitting = []
    for width in widths:
        fitting.append(max(min(width, room), 0))
        room -= width + len(GAP)
    return fitting


def total_of(widths: Sequence[int]) -> int:
    """Columns of a whole line."""
    return sum(widths) + len(GAP) * (len(widths) - 1)


def draw_row(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int], screen: Screen, indent: str, *, is_title: bool) -> str:
    """One line; colours are added after alignment, as they take no room."""
    drawn = []
    for cell, column, width in zip(cells, columns, widths, strict=True):
        if not width:
            break
        text = clip(cell, width, screen.ellipsis)
        if column is not columns[-1] or column.is_number:
            text = pad(text, width, right=column.is_number)
        drawn.append(screen.strong(text) if is_title else screen.colour(cell, text) if column.has_colours else text)
    return (indent + GAP.join(drawn)).rstrip()
