"""A push as columns: what is plainly in order is never looked at one by one, which is most of most batches.

An entry is *plain* when judging, cutting and scrubbing would leave it as it is. All others become drafts and take the way of every draft.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from lumetry_core.logs.admission import MAX_BYTES_PER_CHARACTER, NUL, admit_entries, cut_errors
from lumetry_core.logs.columns import VERSION, Columns, Labels, Part, Rest, Traces, pack_columns, pack_error
from lumetry_core.logs.fingerprints import LOWEST_GROUPED, fingerprint_entry
from lumetry_core.logs.model import DAY_NS, LEVELS, MAX_LABEL, MAX_MESSAGE_BYTES, NS_PER_MS, Draft, EntryFault, ErrorDraft
from lumetry_core.logs.scrubbing import scrub_entries
from lumetry_core.logs.secret_rules import Options
from lumetry_core.logs.suspicion import GAP, find_suspicious

decode_together = msgspec.json.Decoder(list[dict[str, object] | str]).decode
encode = msgspec.json.Encoder().encode
LONGEST_PLAIN = MAX_MESSAGE_BYTES // MAX_BYTES_PER_CHARACTER
LARGEST_PLAIN = 16_384
"""Bytes of metadata that cannot be too large."""
ESCAPED_NUL = b"\\u0000"


@dataclass(frozen=True, slots=True, eq=False)
class PushColumns:
    """Entries on their way in that name the same project or none: one element each but for `environments` and what is by position."""

    times: NDArray[np.int64]
    levels: bytes
    messages: Sequence[str]
    metadata: Sequence[bytes]
    environments: Sequence[str | None]
    """Those that occur; None: not named."""
    environment_numbers: Sequence[int]
    traces: Sequence[Traces | None]
    project_id: str | None
    size_bytes: int
    errors: Mapping[int, ErrorDraft] = field(default_factory=dict)
    time_texts: Mapping[int, str] = field(default_factory=dict)
    private: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.messages)

    def draft_at(self, index: int) -> Draft:
        """One entry by itself."""
        return Draft(
            int(self.times[index]),
            self.levels[index],
            self.messages[index],
            self.environments[self.environment_numbers[index]],
            self.project_id,
            self.metadata[index],
            self.errors.get(index),
            self.traces[index],
            privacy_mode=index in self.private,
            time_text=self.time_texts.get(index, ""),
        )


def admit_columns(columns: PushColumns, now_ms: int) -> tuple[dict[int, Draft], list[EntryFault]]:
    """Judges a push: those of its entries that are not plain, admitted, by position; and the faults of all, in order."""
    drafts = {index: columns.draft_at(index) for index in sorted(find_special(columns, now_ms * NS_PER_MS))}
    return drafts, admit_entries(list(drafts.values()), now_ms, list(drafts))


def find_special(columns: PushColumns, now_ns: int) -> set[int]:
    """Positions of the entries that admission could refuse or change, or that are of an error group."""
    levels = np.frombuffer(columns.levels, np.uint8)
    odd = (columns.times < 0) | (columns.times > now_ns + DAY_NS) | (levels < 1) | (levels >= LOWEST_GROUPED) | (levels > len(LEVELS))
    special = {*np.flatnonzero(odd).tolist(), *columns.errors, *columns.private}
    if max(map(len, columns.messages)) > LONGEST_PLAIN or any(NUL in message for message in columns.messages):
        special |= {index for index, message in enumerate(columns.messages) if len(message) > LONGEST_PLAIN or NUL in message}
    if not is_compact(columns.metadata):
        special |= {index for index, document in enumerate(columns.metadata) if document}
    if not all(map(is_plain_label, (*columns.environments, columns.project_id))):
        return set(range(len(columns)))
    identities = [text for traces in columns.traces if traces for text in traces if text]
    if max(map(len, identities), default=0) > MAX_LABEL or NUL in "".join(identities):
        special |= {index for index, traces in enumerate(columns.traces) if traces and not all(map(is_plain_label, traces))}
    return special


def is_plain_label(text: str | None) -> bool:
    """Whether a label or identity is kept as it is."""
    return text is None or (len(text) <= MAX_LABEL and NUL not in text)


def is_compact(documents: Sequence[bytes]) -> bool:
    """Whether all documents that are there are JSON objects just as they are stored.

    They are read together, with a text between any two that nobody could have put into them, so none can hide where it ends.
    """
    given = [document for document in documents if document]
    if not given:
        return True
    if max(map(len, given)) > LARGEST_PLAIN:
        return False
    between = encode(secrets.token_hex())
    together = b"[" + (b"," + between + b",").join(given) + b"]"
    if ESCAPED_NUL in together or b"{}" in given:
        return False
    try:
        read = decode_together(together)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    mark = msgspec.json.decode(between)
    return (
        len(read) == 2 * len(given) - 1
        and all(part == mark for part in read[1::2])
        and all(type(part) is dict for part in read[::2])
        and encode(read) == together
    )


def scrub_columns(columns: PushColumns, drafts: dict[int, Draft], options: Options, *, trusts_private: bool) -> None:
    """Scrubs the drafts, and adds those of plain entries that may hold a secret; with options beyond what always applies that is each."""
    plain = [index for index in range(len(columns)) if index not in drafts] if drafts else range(len(columns))
    if options == Options() and plain:
        messages = NUL.join([columns.messages[index] for index in plain]).encode()
        documents = GAP.join([columns.metadata[index] for index in plain])
        plain = [plain[position] for position in find_suspicious(messages, documents)]
    for index in plain:
        drafts[index] = columns.draft_at(index)
    scrub_entries([draft for draft in drafts.values() if not (trusts_private and draft.privacy_mode)], options)
    cut_errors(drafts.values())


def pack_push(columns: PushColumns, drafts: Mapping[int, Draft], key_environment: str | None, project_id: str) -> Part:
    """Packs admitted, scrubbed entries of one deciding project in order of arrival."""
    times = columns.times.copy()
    messages, metadata, traces = list(columns.messages), list(columns.metadata), list(columns.traces)
    errors = [b""] * len(columns)
    sets: dict[Labels, int] = {}
    numbers = [sets.setdefault((name, columns.project_id, key_environment), len(sets)) for name in columns.environments]
    labels = [numbers[number] for number in columns.environment_numbers]
    rest: dict[int, Rest] = {}
    grouped: dict[int, int] = {}
    fingerprints: dict[bytes, int] = {}
    for index, draft in sorted(drafts.items()):
        times[index] = columns.times[index] if draft.time_ns is None else draft.time_ns
        messages[index], metadata[index], traces[index] = draft.message, draft.metadata, draft.traces
        errors[index] = pack_error(draft.error)
        labels[index] = sets.setdefault((draft.environment, draft.project_id, key_environment), len(sets))
        if draft.redactions or draft.truncated or draft.privacy_mode or draft.original_timestamp is not None:
            rest[index] = Rest(draft.original_timestamp, draft.privacy_mode, draft.redactions or {}, draft.truncated or [])
        if (fingerprint := fingerprint_entry(project_id, draft)) is not None:
            grouped[index] = fingerprints.setdefault(fingerprint, len(fingerprints))
    packed = Columns(
        VERSION, times.astype("<i8").tobytes(), columns.levels, messages, metadata, errors, labels, list(sets), traces, rest,
        grouped=grouped, fingerprints=list(fingerprints),
    )  # fmt: skip
    return pack_columns(packed, times)
