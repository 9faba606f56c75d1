from typing import Any

import msgspec
import pytest

from lumetry_core.projects.draft import Draft, read_draft
from lumetry_core.projects.model import Status, Visibility
from lumetry_core.runtime.errors import Fault, Faults, LumetryError, Reason


def faults_of(**fields: Any) -> tuple[Reason | None, tuple[Fault, ...]]:
    faults = Faults()
    read_draft(Draft(**fields), set(fields), faults)
    try:
        faults.raise_if_any()
    except LumetryError as error:
        return error.reason, error.faults
    return None, ()


def read(**fields: Any) -> dict[str, Any]:
    faults = Faults()
    values = read_draft(Draft(**fields), set(fields), faults)
    faults.raise_if_any()
    return values


def nested(depth: int) -> str:
    """An object with so many levels, the last a list."""
    return '{"a":' * (depth - 1) + "[]" + "}" * (depth - 1)


def sized(length: int) -> str:
    """An object of so many compact bytes."""
    return '{"a":"' + "x" * (length - 8) + '"}'


def test_read_draft_normalises_texts() -> None:
    """Texts are composed and trimmed, tags collapse and lose their repetitions, enumerations are read."""
    assert read(
        name=" Cafe\u0301 ",
        description="",
        prompt=None,
        emoji=" 🐿 ",
        slug="cafe",
        tags=(" a  b\n c ", "a b c", "é"),
        visibility="private",
        status="archived",
        metadata='{"a": [1, null]}',
        settings='{"logs": {"retentionDays": 400}}',
    ) == {
        "name": "Café",
        "description": "",
        "prompt": None,
        "emoji": "🐿",
        "slug": "cafe",
        "tags": ("a b c", "é"),
        "visibility": Visibility.PRIVATE,
        "status": Status.ARCHIVED,
        "metadata": {"a": [1, None]},
        "settings": {"logs": {"retentionDays": 400}},
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "n" * 255},
        {"description": "d" * 5_000},
        {"prompt": "p" * 12_000},
        {"emoji": "e" * 16},
        {"tags": tuple(f"{number:064}" for number in range(20))},
        {"metadata": nested(12)},
        {"metadata": sized(32_768)},
        {"metadata": sized(32_768).replace(":", " : ")},
        {"settings": sized(8_192)},
        {"settings": '{"logs": {"retentionDays": 1, "allowPrivacyMode": true, "other": "free"}}'},
    ],
)
def test_read_draft_takes_what_just_fits(fields: dict[str, Any]) -> None:
    """Limits are included, sizes are those of compact JSON, and unknown keys count for nothing."""
    assert faults_of(**fields) == (None, ())


@pytest.mark.parametrize(
    ("fields", "path", "message"),
    [
        ({"name": "n" * 256}, "name", "must have 1 to 255 characters"),
        ({"name": "  "}, "name", "must have 1 to 255 characters"),
        ({"name": None}, "name", "must not be null"),
        ({"name": "a\0b"}, "name", "must not contain U+0000"),
        ({"slug": "A"}, "slug", "must have 1 to 64 lower-case letters, digits and hyphens, and neither begin nor end with a hyphen"),
        ({"description": "d" * 5_001}, "description", "must have at most 5000 characters"),
        ({"prompt": "p" * 12_001}, "prompt", "must have at most 12000 characters"),
        ({"emoji": "e" * 17}, "emoji", "must have at most 16 characters"),
        ({"visibility": "public"}, "visibility", "must be team or private"),
        ({"status": "all"}, "status", "must be active or archived"),
        ({"tags": None}, "tags", "must not be null"),
        ({"tags": ("t",) * 21}, "tags", "must have at most 20 entries"),
        ({"tags": ("t", "t" * 65)}, "tags[1]", "must have 1 to 64 characters"),
        ({"tags": ("",)}, "tags[0]", "must have 1 to 64 characters"),
        ({"metadata": "[]"}, "metadata", "must be a JSON object"),
        ({"metadata": '{"a": NaN}'}, "metadata", "must be a JSON object"),
        ({"metadata": nested(13)}, "metadata", "must be nested at most 12 deep"),
        ({"metadata": sized(32_769)}, "metadata", "must have at most 32768 bytes"),
        ({"metadata": '{"a": ["\\u0000"]}'}, "metadata", "must not contain U+0000"),
        ({"settings": sized(8_193)}, "settings", "must have at most 8192 bytes"),
        ({"settings": '{"logs": null}'}, "settings.logs", "must be an object"),
        ({"settings": '{"logs": {"scrubEmails": 1}}'}, "settings.logs.scrubEmails", "must be true or false"),
        ({"settings": '{"logs": {"retentionDays": true}}'}, "settings.logs.retentionDays", "must be an integer"),
        ({"settings": '{"logs": {"retentionDays": 2.5}}'}, "settings.logs.retentionDays", "must be an integer"),
    ],
)
def test_read_draft_notes_faults(fields: dict[str, Any], path: str, message: str) -> None:
    """Wrong types, unknown words and what is too long or too deep fail as faults of form."""
    assert faults_of(**fields) == (Reason.VALIDATION_FAILED, (Fault(path, message),))


@pytest.mark.parametrize("days", [0, 401])
def test_read_draft_notes_a_retention_outside_its_range(days: int) -> None:
    """A number outside its range is another kind of fault."""
    settings = msgspec.json.encode({"logs": {"retentionDays": days}}).decode()
    assert faults_of(settings=settings) == (Reason.OUT_OF_RANGE, (Fault("settings.logs.retentionDays", "must be between 1 and 400"),))


def test_read_draft_with_both_kinds_of_faults_fails_by_form() -> None:
    """Everything wrong is named, and the form decides the reason."""
    reason, faults = faults_of(name="", settings='{"logs": {"retentionDays": 0}}')
    assert (reason, [fault.path for fault in faults]) == (Reason.VALIDATION_FAILED, ["name", "settings.logs.retentionDays"])
