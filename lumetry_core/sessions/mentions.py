"""Whom a message mentions: `@` and a login name, or the slug of an agent."""

import re

MENTION = re.compile(r"(?<![A-Za-z0-9._@/-])@([A-Za-z0-9._@-]{1,80})", re.ASCII)
PUNCTUATION = ".-_@"
"""What may end a name, but more often ends a sentence."""
MAX_MENTIONS = 50


def find_mentions(content: str) -> list[tuple[str, ...]]:
    """For each mention, in order, each once: the names that it may mean in lower case, the longest first."""
    found: dict[str, tuple[str, ...]] = {}
    for match in MENTION.finditer(content):
        text = match.group(1).lower()
        if text not in found:
            ends = [text[:length] for length in range(len(text), len(text.rstrip(PUNCTUATION)) - 1, -1) if length]
            found[text] = tuple(ends)
        if len(found) == MAX_MENTIONS:
            break
    return list(found.values())
