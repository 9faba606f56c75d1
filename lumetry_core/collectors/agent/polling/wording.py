"""Errors and warnings as people read them."""

import re
from base64 import b64encode
from urllib.parse import quote

from lumetry_core.collectors.agent.polling.model import MAX_ERROR_CHARACTERS, ItemResult, Source

HIDDEN = "•••"
MAX_READ_CHARACTERS = 100_000
"""More of a complaint is not looked at."""
QUOTED_OR_PLAIN = r"(?P<hidden>'+[^']*'*|\"[^\"]*\"?|[^\s'\",;)&]+)"
CREDENTIALS = (
    re.compile(rf"(?P<before>\b(?:password|passwd|pwd|secret|token)\b['\"]?\s*[:=]\s*)(?!(?:YES|NO)\b){QUOTED_OR_PLAIN}", re.IGNORECASE),
    re.compile(r"(?P<before>\b(?:password|identified\s+by)\s+)(?P<hidden>'[^']*'?)", re.IGNORECASE),
    re.compile(r"(?P<before>://[^/\s:@]*:)(?P<hidden>[^@\s/]+)(?=@)"),
    re.compile(r"(?P<before>\b(?:bearer|basic)\s+)(?P<hidden>(?=[^\s]*\d)[A-Za-z0-9+/=._~-]{8,})", re.IGNORECASE),
)
"""What looks like a credential in a text that a source has sent: some sources repeat the question in their complaint."""


def hide(text: str, source: Source) -> str:
    """A text of a source, on one line, cut to size and without credentials."""
    text = text[:MAX_READ_CHARACTERS]
    for secret in secrets_of(source):
        text = text.replace(secret, HIDDEN)
    text = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    for pattern in CREDENTIALS:
        text = pattern.sub(lambda found: f"{found['before']}{HIDDEN}", text)
    return text if len(text) <= MAX_ERROR_CHARACTERS else f"{text[: MAX_ERROR_CHARACTERS - 1]}…"


def secrets_of(source: Source) -> list[str]:
    """The secret in every form in which it travels, longest first."""
    if not source.secret:
        return []
    pair = f"{source.target.username}:{source.secret}"
    encoded = (b64encode(each.encode()).decode() for each in (pair, source.secret))
    forms = {source.secret, quote(source.secret, safe=""), repr(source.secret)[1:-1], *encoded}
    return sorted(forms, key=len, reverse=True)


def summarize(results: list[ItemResult]) -> str:
    """What failed of a poll, in one text; empty when nothing did."""
    failed = [each for each in results if each.error]
    if not failed:
        return ""
    errors = list(dict.fromkeys(each.error for each in failed))
    if len(errors) == 1:
        told = errors[0] if len(failed) == len(results) else f"{', '.join(each.metric_key for each in failed)}: {errors[0]}"
    else:
        told = "; ".join(f"{each.metric_key}: {each.error}" for each in failed)
    text = told if len(results) == 1 else f"{len(failed)} of {len(results)} items failed: {told}"
    return text if len(text) <= MAX_ERROR_CHARACTERS else f"{text[: MAX_ERROR_CHARACTERS - 1]}…"
