"""`Content-Disposition`: what parts of forms say of themselves (RFC 7578), and how files are called in answers (RFC 6266, 8187)."""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

PARAMETER = re.compile(r""";\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;"\s]*)""", re.DOTALL)
ESCAPED = re.compile(r'\\(["\\])')
UNSAFE = re.compile(r'[^\x20-\x7e]|["\\%]')
"""What a quoted name cannot hold, or clients read in different ways."""
ATTRIBUTE = "!#$&+-.^_`|~"
"""Characters besides letters and digits that an extended name holds as they are."""


@dataclass(frozen=True, slots=True)
class Disposition:
    """What a part of a form says of itself."""

    name: str
    file_name: str | None


def read_disposition(header: str) -> Disposition | None:
    """The name of a part and of the file in it; None when it is no part of a form. Names that are not UTF-8 lose what cannot be read."""
    kind, _, _ = header.partition(";")
    if kind.strip().lower() != "form-data":
        return None
    found = {name.lower(): readable(unquoted(value)) for name, value in PARAMETER.findall(header)}
    if "name" not in found:
        return None
    return Disposition(found["name"], read_extended(found.get("filename*", "")) or found.get("filename"))


def unquoted(value: str) -> str:
    """A value without its quotes. A backslash before anything but a quote or another one is part of a path."""
    return ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value


def readable(text: str) -> str:
    """Text in which bytes that are not UTF-8 are replaced."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


def read_extended(value: str) -> str | None:
    """The text of an extended value; None when it is none."""
    charset, _, rest = value.partition("'")
    _language, separator, encoded = rest.partition("'")
    if charset.lower() != "utf-8" or not separator:
        return None
    return unquote(encoded, errors="replace") or None


def write_disposition(kind: str, file_name: str) -> str:
    """How an answer calls its file.

    Args:
        kind: `attachment` or `inline`.
    """
    return f"{kind}; filename=\"{UNSAFE.sub('_', file_name)}\"; filename*=UTF-8''{quote(file_name, safe=ATTRIBUTE)}"
