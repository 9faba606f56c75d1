"""Taking the secrets out of entries before anything of them is kept (contract logs 3)."""

from collections.abc import Sequence
from typing import Any

import msgspec
import structlog

from lumetry_core.logs.model import Draft, ErrorDraft
from lumetry_core.logs.secret_rules import Counts, Options, hides_value, is_card, mark, scrub_text
from lumetry_core.logs.suspicion import find_suspects

log = structlog.get_logger(__name__)

FAILED = mark("failed")
decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode


def scrub_entries(entries: Sequence[Draft], options: Options) -> None:
    """Replaces every secret of the entries in place."""
    if options == Options():
        parts = [gather(entry) for entry in entries]
        suspects = [entries[position] for position in find_suspects([text for text, _ in parts], [document for _, document in parts])]
    else:
        suspects = list(entries)
    for entry in suspects:
        scrub_entry(entry, options)


def gather(entry: Draft) -> tuple[bytes, bytes]:
    """All there is to scrub of an entry, and the part of it that has keys."""
    error = entry.error
    if error is None:
        return b"%b\n%b" % (entry.message.encode(), entry.metadata), entry.metadata
    texts = "\n".join((entry.message, error.message or "", *error.stack_trace)).encode()
    documents = entry.metadata + b"\n" + error.context
    return texts + b"\n" + documents, documents


def scrub_entry(entry: Draft, options: Options) -> None:
    """Replaces every secret of one entry; one whose scrubbing fails loses all that could hold a secret."""
    counts: Counts = {}
    try:
        message = scrub_text(entry.message, options, counts)
        metadata = scrub_document(entry.metadata, options, counts)
        error = None if entry.error is None else scrub_error(entry.error, options, counts)
    except Exception as failure:  # noqa: BLE001 -- whatever went wrong, the secret must not be kept and the batch must not fail
        log.error("an entry could not be scrubbed", failure=type(failure).__name__)  # noqa: TRY400 -- the traceback could show it
        message, metadata, counts = FAILED, encode({FAILED: FAILED}), {"failed": 1}
        error = None if entry.error is None else ErrorDraft(message=FAILED)
    entry.message, entry.metadata, entry.error = message, metadata, error
    if counts:
        entry.redactions = counts


def scrub_error(error: ErrorDraft, options: Options, counts: Counts) -> ErrorDraft:
    """The error without its secrets."""
    return ErrorDraft(
        type=error.type,
        message=None if error.message is None else scrub_text(error.message, options, counts),
        stack_trace=[scrub_text(line, options, counts) for line in error.stack_trace],
        context=scrub_document(error.context, options, counts),
        fingerprint=error.fingerprint,
    )


def scrub_document(document: bytes, options: Options, counts: Counts) -> bytes:
    """JSON without its secrets; empty stays empty."""
    if not document:
        return document
    before = sum(counts.values())
    scrubbed = scrub_value(decode(document), options, counts)
    return document if sum(counts.values()) == before else encode(scrubbed)


def scrub_value(value: Any, options: Options, counts: Counts) -> Any:  # noqa: ANN401 -- JSON
    """A JSON value without its secrets."""
    if isinstance(value, str):
        return scrub_text(value, options, counts)
    if isinstance(value, dict):
        return {scrub_text(key, options, counts): scrub_member(key, member, options, counts) for key, member in value.items()}
    if isinstance(value, list):
        return [scrub_value(element, options, counts) for element in value]
    if isinstance(value, int) and not isinstance(value, bool) and is_card(str(value)):
        counts["card"] = counts.get("card", 0) + 1
        return mark("card")
    return value


def scrub_member(key: str, value: Any, options: Options, counts: Counts) -> Any:  # noqa: ANN401 -- JSON
    """The value under a key, which may have to go because of the key alone."""
    if value is None or isinstance(value, bool) or value == "" or not hides_value(key):
        return scrub_value(value, options, counts)
    counts["key"] = counts.get("key", 0) + 1
    return mark("key")
