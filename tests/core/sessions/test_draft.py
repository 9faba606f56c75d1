from typing import Any

import pytest

from lumetry_core.runtime.errors import Fault, Faults, LumetryError, Reason
from lumetry_core.sessions.draft import MessageDraft, ReadMessage, ReferenceDraft, SessionDraft, is_web_address, read_message, read_session
from lumetry_core.sessions.model import Reference, ReferenceType, SessionStatus


def read(draft: MessageDraft) -> ReadMessage:
    faults = Faults()
    said = read_message(draft, faults)
    faults.raise_if_any()
    return said


def fields_of(**fields: Any) -> dict[str, Any]:
    faults = Faults()
    values = read_session(SessionDraft(**fields), set(fields), faults)
    faults.raise_if_any()
    return values


def faults_of(draft: MessageDraft) -> tuple[Fault, ...]:
    with pytest.raises(LumetryError) as caught:
        read(draft)
    assert caught.value.reason is Reason.VALIDATION_FAILED
    return caught.value.faults


def test_read_session_normalises() -> None:
    """Labels are trimmed and a blank one is the usual one; references may be cleared."""
    assert fields_of(label=" Cafe\u0301 ", status="idle", project_id=None, incident_id=12, metadata='{"a": 1}') == {
        "label": "Café",
        "status": SessionStatus.IDLE,
        "project_id": None,
        "incident_id": 12,
        "metadata": {"a": 1},
    }
    assert fields_of(label=" ") == {"label": "New investigation"}
    assert fields_of(label="x" * 255) == {"label": "x" * 255}


@pytest.mark.parametrize(
    ("fields", "path", "message"),
    [
        ({"label": "x" * 256}, "label", "must have at most 255 characters"),
        ({"label": None}, "label", "must not be null"),
        ({"label": "a\0"}, "label", "must not contain U+0000"),
        ({"status": "open"}, "status", "must be one of active, awaiting_peer, idle, closed"),
        ({"status": None}, "status", "must not be null"),
        ({"metadata": '{"a":' * 8 + "[]" + "}" * 8}, "metadata", "must be nested at most 8 deep"),
        ({"metadata": None}, "metadata", "must not be null"),
    ],
)
def test_read_session_notes_faults(fields: dict[str, Any], path: str, message: str) -> None:
    """Each by its name."""
    with pytest.raises(LumetryError) as caught:
        fields_of(**fields)
    assert caught.value.faults == (Fault(path, message),)


def test_read_message_normalises() -> None:
    """The content is trimmed, attachments count once, references stay as they were given."""
    draft = MessageDraft(
        content=" e\u0301 ",
        agent_id="bot",
        attachments=("A", "a", "b"),
        references=(ReferenceDraft("monitor", "endpoint:12"), ReferenceDraft("url", "https://x.test/a?b#c", " L ")),
        metadata='{"k": [1]}',
    )
    references = (Reference(ReferenceType.MONITOR, "endpoint:12"), Reference(ReferenceType.URL, "https://x.test/a?b#c", "L"))
    assert read(draft) == ReadMessage("é", "bot", ("a", "b"), references, {"k": [1]})


def test_read_message_takes_what_just_fits() -> None:
    """Limits are included."""
    references = [ReferenceDraft("metric", "m" * 512, "l" * 512)] * 50
    said = read(MessageDraft(content="x" * 20_000, attachments=[str(number) for number in range(20)], references=references))
    assert (len(said.content), len(said.attachments), len(said.references)) == (20_000, 20, 50)


@pytest.mark.parametrize(
    ("draft", "path", "message"),
    [
        (MessageDraft(), "content", "is required"),
        (MessageDraft(content=" "), "content", "must have 1 to 20000 characters"),
        (MessageDraft(content="x" * 20_001), "content", "must have 1 to 20000 characters"),
        (MessageDraft(content="a\0"), "content", "must not contain U+0000"),
        (MessageDraft("x", attachments=("a",) * 21), "attachments", "must have at most 20 entries"),
        (MessageDraft("x", references=(ReferenceDraft("metric", "m"),) * 51), "references", "must have at most 50 entries"),
        (MessageDraft("x", references=(ReferenceDraft("metric", " "),)), "references[0].id", "must have 1 to 512 characters"),
        (MessageDraft("x", references=(ReferenceDraft("metric", "m" * 513),)), "references[0].id", "must have 1 to 512 characters"),
        (MessageDraft("x", references=(ReferenceDraft("url", "ftp://x"),)), "references[0].id", "must be an http or https address"),
        (MessageDraft("x", metadata="[]"), "metadata", "must be a JSON object"),
    ],
)
def test_read_message_notes_faults(draft: MessageDraft, path: str, message: str) -> None:
    """Each by its place."""
    assert faults_of(draft) == (Fault(path, message),)


def test_read_message_notes_unknown_types_with_all_others() -> None:
    """One answer names everything that is wrong."""
    draft = MessageDraft(references=(ReferenceDraft("alert", "1"), ReferenceDraft("robot", "")), metadata="x")
    assert [fault.path for fault in faults_of(draft)] == ["content", "references[1].type", "references[1].id", "metadata"]


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("http://x", True),
        ("https://x.test:8443/a?b=c#d", True),
        ("HTTPS://x.test", True),
        ("javascript:alert(1)", False),
        ("https://", False),
        ("//x.test", False),
        ("https://x test", False),
        ("https://[x", False),
        ("https://x\n.test", False),
    ],
)
def test_is_web_address(text: str, valid: bool) -> None:
    """Http and https with a host, on one line."""
    assert is_web_address(text) is valid
