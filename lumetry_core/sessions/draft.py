"""What callers send of sessions and messages, and its checks (contract workspace 1.7 and 5)."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from lumetry_core.agents.draft import read_metadata
from lumetry_core.projects.draft import read_text
from lumetry_core.runtime.errors import Faults
from lumetry_core.sessions.model import DEFAULT_LABEL, Reference, ReferenceType, SessionStatus

MAX_LABEL = 255
MAX_CONTENT = 20_000
MAX_ATTACHMENTS = 20
MAX_REFERENCES = 50
MAX_REFERENCE_ID = 512
MAX_REFERENCE_LABEL = 512


@dataclass(frozen=True, slots=True)
class SessionDraft:
    """The fields of a session as they were sent; None: null, or not sent at all."""

    label: str | None = None
    status: str | None = None
    project_id: str | None = None
    incident_id: int | None = None
    metadata: str | None = None
    """JSON."""


@dataclass(frozen=True, slots=True)
class ReferenceDraft:
    """A reference as it was sent."""

    type: str
    id: str
    label: str | None = None


@dataclass(frozen=True, slots=True)
class MessageDraft:
    """A message as it was sent; None: null, or not sent at all."""

    content: str | None = None
    agent_id: str | None = None
    attachments: Sequence[str] = ()
    references: Sequence[ReferenceDraft] = ()
    metadata: str | None = None
    """JSON."""


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """A message whose form is right."""

    content: str
    agent_id: str | None
    attachments: tuple[str, ...]
    references: tuple[Reference, ...]
    metadata: Mapping[str, Any]


FIELDS = frozenset(SessionDraft.__dataclass_fields__)
"""The fields of a session that can be written."""
NULLABLE = frozenset({"project_id", "incident_id"})
SPELLED = {"project_id": "projectId", "incident_id": "incidentId"}
"""Fields whose paths in the contract differ from their names here."""


def read_session(draft: SessionDraft, names: Collection[str], faults: Faults) -> dict[str, Any]:
    """Reads the named fields of a draft, references as they were sent; what is faulty is noted."""
    values: dict[str, Any] = {}
    for name in sorted(names):
        sent, path = getattr(draft, name), SPELLED.get(name, name)
        if sent is None:
            faults.check(name in NULLABLE, path, "must not be null")
            values[name] = None
        else:
            values[name] = READERS[name](sent, path, faults) if name in READERS else sent
    return values


def read_label(sent: str, path: str, faults: Faults) -> str:
    """Reads a label; a blank one is the usual one."""
    return read_text(MAX_LABEL)(sent, path, faults) or DEFAULT_LABEL


def read_status(sent: str, path: str, faults: Faults) -> SessionStatus:
    """Reads a status."""
    known = sent in tuple(SessionStatus)
    faults.check(known, path, f"must be one of {', '.join(SessionStatus)}")
    return SessionStatus(sent) if known else SessionStatus.ACTIVE


READERS: Mapping[str, Callable[[Any, str, Faults], Any]] = {"label": read_label, "status": read_status, "metadata": read_metadata}


def read_message(draft: MessageDraft, faults: Faults) -> ReadMessage:
    """Reads a message; what is faulty is noted. Attachments that are repeated count once."""
    faults.check(draft.content is not None, "content", "is required")
    content = "" if draft.content is None else read_text(MAX_CONTENT, least=1)(draft.content, "content", faults)
    faults.check(len(draft.attachments) <= MAX_ATTACHMENTS, "attachments", f"must have at most {MAX_ATTACHMENTS} entries")
    faults.check(len(draft.references) <= MAX_REFERENCES, "references", f"must have at most {MAX_REFERENCES} entries")
    references = [
        read_reference(reference, f"references[{index}]", faults) for index, reference in enumerate(draft.references[:MAX_REFERENCES])
    ]
    return ReadMessage(
        content=content,
        agent_id=draft.agent_id,
        attachments=tuple(dict.fromkeys(attachment.lower() for attachment in draft.attachments)),
        references=tuple(references),
        metadata={} if draft.metadata is None else read_metadata(draft.metadata, "metadata", faults),
    )


def read_reference(sent: ReferenceDraft, path: str, faults: Faults) -> Reference:
    """Reads a reference."""
    known = sent.type in tuple(ReferenceType)
    faults.check(known, f"{path}.type", f"must be one of {', '.join(ReferenceType)}")
    kind = ReferenceType(sent.type) if known else ReferenceType.URL
    identity = read_text(MAX_REFERENCE_ID, least=1)(sent.id, f"{path}.id", faults)
    if known and kind is ReferenceType.URL and identity:
        faults.check(is_web_address(identity), f"{path}.id", "must be an http or https address")
    label = None if sent.label is None else read_text(MAX_REFERENCE_LABEL)(sent.label, f"{path}.label", faults)
    return Reference(kind, identity, label)


def is_web_address(text: str) -> bool:
    """Whether a text is an http or https address."""
    if not text.isprintable() or any(character.isspace() for character in text):
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
