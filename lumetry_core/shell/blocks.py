"""Named values, one below the other; what is too long goes on in further lines, as here all of it is wanted."""

from collections.abc import Sequence

from lumetry_core.shell.screen import NOTHING, Screen
from lumetry_core.shell.text import fold, pad, width_of

INDENT = "  "
LEAST_ROOM = 20
Row = tuple[str, str]
"""Name and value; a row without value is left out."""


def draw_block(rows: Sequence[Row], screen: Screen, indent: str = INDENT) -> list[str]:
    """The values, aligned."""
    shown = [(name, value) for name, value in rows if value not in ("", NOTHING)]
    width = max((width_of(name) for name, _ in shown), default=0)
    return [line for name, value in shown for line in draw_value(screen.faint(pad(name, width)), width, value, screen, indent)]


def draw_value(lead: str, lead_width: int, value: str, screen: Screen, indent: str) -> list[str]:
    """A value after what leads to it; its further lines stand below its beginning."""
    if screen.width is None:
        return [f"{indent}{lead}  {value}"]
    first, *rest = fold(value, max(screen.width - len(indent) - lead_width - 2, LEAST_ROOM))
    return [f"{indent}{lead}  {screen.colour(first)}", *(indent + " " * (lead_width + 2) + line for line in rest)]


def draw_text(text: str, screen: Screen, indent: str = "") -> list[str]:
    """A text in as many lines as it needs."""
    if screen.width is None:
        return [indent + text]
    return [indent + line for line in fold(text, max(screen.width - len(indent), LEAST_ROOM))]
