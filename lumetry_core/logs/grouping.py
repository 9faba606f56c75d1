"""What blocks tell of error groups (contract logs 7)."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from lumetry_core.logs.columns import Batch, Columns, read_error
from lumetry_core.logs.fingerprints import fingerprint_of
from lumetry_core.logs.model import NS_PER_MS, StoredError
from lumetry_core.logs.stack_traces import read_trace
from lumetry_core.runtime.clock import from_ms

__all__ = ["Sighting", "fingerprint_of", "read_sightings"]

HOUR_NS = 3_600_000 * NS_PER_MS
MAX_TITLE = 200
MAX_CULPRIT = 512
MAX_TRACES = 10
MAX_ENVIRONMENTS = 50
TRACE_KEYS = ("trace_id", "traceId")
Member = tuple[Batch, int]
"""A batch and a position in it."""

decode = msgspec.json.Decoder(dict[str, object]).decode


@dataclass(frozen=True, slots=True)
class Sighting:
    """Entries of one group that were read together."""

    project_id: str
    fingerprint: bytes
    title: str
    """Like `error_type`, `error_message` and `culprit` as the earliest of the entries has it."""
    error_type: str | None
    error_message: str | None
    culprit: str | None
    hours: Mapping[tuple[int, int], int]
    """Entries by hour since the Unix epoch and level."""
    environments: tuple[str, ...]
    trace_ids: tuple[str, ...]
    """The last distinct ones, newest last."""
    first_time: datetime
    last_time: datetime

    @property
    def count(self) -> int:
        """How many entries."""
        return sum(self.hours.values())


def read_sightings(batches: Sequence[Batch]) -> list[Sighting]:
    """What unpacked blocks tell of groups: one sighting for each project and fingerprint."""
    members: dict[tuple[str, bytes], list[Member]] = defaultdict(list)
    for batch in batches:
        columns = batch.columns
        for position, number in columns.grouped.items():
            members[batch.project_id, columns.fingerprints[number]].append((batch, position))
    return [make_sighting(project_id, fingerprint, found) for (project_id, fingerprint), found in members.items()]


def make_sighting(project_id: str, fingerprint: bytes, members: list[Member]) -> Sighting:
    """What entries of one group have in common."""
    members.sort(key=time_of)
    first_batch, first = members[0]
    error = read_error(first_batch.columns.errors[first]) or StoredError()
    message = first_batch.columns.messages[first]
    frames = read_trace(error.stack_trace).frames
    return Sighting(
        project_id=project_id,
        fingerprint=fingerprint,
        title=title_of(error, message),
        error_type=error.type,
        error_message=error.message,
        culprit=frames[0][:MAX_CULPRIT] if frames else None,
        hours=Counter((time_of(member) // HOUR_NS, int(member[0].levels[member[1]])) for member in members),
        environments=tuple(sorted({name for name in map(environment_of, members) if name is not None})[:MAX_ENVIRONMENTS]),
        trace_ids=last_traces(members),
        first_time=from_ms(time_of(members[0]) // NS_PER_MS),
        last_time=from_ms(time_of(members[-1]) // NS_PER_MS),
    )


def time_of(member: Member) -> int:
    """When an entry happened."""
    batch, position = member
    return int(batch.times[position])


def title_of(error: StoredError, message: str) -> str:
    """What people know a group by."""
    text = error.message or message
    return (f"{error.type}: {text}" if error.type else text)[:MAX_TITLE]


def environment_of(member: Member) -> str | None:
    """The label of an entry, else the environment of its key."""
    columns = member[0].columns
    label, _, of_key = columns.label_sets[columns.labels[member[1]]]
    return of_key if label is None else label


def last_traces(members: Iterable[Member]) -> tuple[str, ...]:
    """The last distinct traces of entries in order of time, newest last."""
    found: dict[str, None] = {}
    for batch, position in reversed(list(members)):
        for trace in traces_of(batch.columns, position):
            found.setdefault(trace)
        if len(found) >= MAX_TRACES:
            break
    return tuple(list(found)[:MAX_TRACES][::-1])


def traces_of(columns: Columns, position: int) -> list[str]:
    """The trace of an entry: its field, else what metadata has."""
    traces = columns.traces[position]
    if traces is not None and traces[0]:
        return [traces[0]]
    metadata = columns.metadata[position]
    if b"trace" not in metadata:
        return []
    values = (value for key, value in decode(metadata).items() if key in TRACE_KEYS)
    return [value for value in values if isinstance(value, str) and value]


def find_grouped(columns: Columns, fingerprints: Iterable[bytes]) -> frozenset[int]:
    """Positions of the entries with these fingerprints."""
    wanted = set(fingerprints)
    numbers = {number for number, fingerprint in enumerate(columns.fingerprints) if fingerprint in wanted}
    return frozenset(position for position, number in columns.grouped.items() if number in numbers) if numbers else frozenset()
