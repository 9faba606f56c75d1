"""Text that is safe and aligned on a terminal."""

import unicodedata

ELLIPSIS = "…"
ASCII_ELLIPSIS = "~"
BREAKS = frozenset("\t\n\v\f\r\x85\u2028\u2029")
UNKNOWN = "?"


def neutralise(text: str) -> str:
    """Text of somebody else as one line without anything that a terminal obeys: control and format characters become question marks."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else " " if character in BREAKS else UNKNOWN for character in text)


def count_of(number: int, noun: str) -> str:
    """So many of something: `1 alert`, `2 alerts`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def width_of(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return len(text) if text.isascii() else sum(map(width_of_character, text))


def width_of_character(character: str) -> int:
    """Columns of one character: none for what combines with the one before, two for the wide ones of East Asia and for emoji."""
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def clip(text: str, width: int, ellipsis: str = ELLIPSIS) -> str:
    """The text, or as much of its beginning as fits with an ellipsis."""
    if width_of(text) <= width:
        return text
    kept, left = [], width - len(ellipsis)
    for character in text:
        left -= width_of_character(character)
        if left < 0:
            break
        kept.append(character)
    return ("".join(kept) + ellipsis)[: max(width, 0)]


def pad(text: str, width: int, *, right: bool = False) -> str:
    """The text filled up with blanks, after it or, for numbers, before it."""
    blanks = " " * (width - width_of(text))
    return blanks + text if right else text + blanks


def escape_json(text: str) -> str:
    """Encoded JSON without characters that a terminal obeys; it decodes to the same value."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() or character == "\n" else escape_character(character) for character in text)


def escape_character(character: str) -> str:
    """A character as JSON's escape, in two halves beyond the basic plane."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[start : start + 2].hex()}" for start in range(0, len(units), 2))


def fold(text: str, width: int) -> list[str]:
    """The text in lines of at most so many columns, broken between words where that is possible."""
    lines, line = [], ""
    for word in text.split(" "):
        rest = word
        if line and width_of(line) + 1 + width_of(word) <= width:
            line += f" {word}"
            continue
        if line:
            lines.append(line.rstrip())
        while width_of(rest) > width:
            head = clip(rest, width, "") or rest[:1]
            lines.append(head)
            rest = rest[len(head) :]
        line = rest
    return [*lines, line] if line or not lines else lines
