"""The end of a container's log that is kept with its end (contract monitoring 4.3). Pure."""

from collections.abc import Sequence

from lumetry_core.containers.engine import LogLine
from lumetry_core.logs.secret_rules import Options, scrub_text

SNIPPET_LINES = 50
SNIPPET_BYTES = 10_240


def make_snippet(lines: Sequence[LogLine]) -> str | None:
    """The last lines without their secrets, cut at the front to what is kept; None when there are none."""
    text = scrub_text("\n".join(line.text for line in lines[-SNIPPET_LINES:]), Options(), {})
    content = text.encode()
    if len(content) > SNIPPET_BYTES:
        text = content[-SNIPPET_BYTES:].decode("utf-8", "ignore")
        cut, newline, rest = text.partition("\n")
        text = rest if newline and rest else cut
    return text or None
