from typing import Any

import pytest

from lumetry_core.agents.draft import Draft, read_draft
from lumetry_core.runtime.errors import Fault, Faults, LumetryError, Reason

PEER = "0b7c3f7e-4a0f-4c0e-9a59-6f2f3c0b1a11"


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


def test_read_draft_normalises() -> None:
    """Names collapse, texts are composed and trimmed, lists lose their repetitions, UUIDs are in lower case."""
    assert read(
        name="  Night \n watch ",
        slug=" night ",
        description=" Cafe\u0301 ",
        avatar=None,
        model="",
        system_prompt=" p ",
        allowed_tools=("logs:read", "sessions:write", "logs:read"),
        allowed_peers=(PEER.upper(), PEER),
        allowed_connectors=(),
        is_active=False,
        settings='{"a": 1}',
        metadata='{"b": [2]}',
    ) == {
        "name": "Night watch",
        "slug": "night",
        "description": "Café",
        "avatar": None,
        "model": "",
        "system_prompt": "p",
        "allowed_tools": ("logs:read", "sessions:write"),
        "allowed_peers": (PEER,),
        "allowed_connectors": (),
        "is_active": False,
        "settings": {"a": 1},
        "metadata": {"b": [2]},
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "n" * 255},
        {"description": "d" * 5_000},
        {"avatar": "a" * 64},
        {"model": "m" * 128},
        {"system_prompt": "p" * 12_000},
        {"allowed_peers": tuple(f"0b7c3f7e-4a0f-4c0e-9a59-{number:012}" for number in range(100))},
        {"settings": sized(8_192)},
        {"metadata": sized(32_768)},
        {"metadata": nested(8)},
    ],
)
def test_read_draft_takes_what_just_fits(fields: dict[str, Any]) -> None:
    """Limits are included."""
    assert set(read(**fields)) == set(fields)


@pytest.mark.parametrize(
    ("fields", "path", "message"),
    [
        ({"name": "n" * 256}, "name", "must have 1 to 255 characters"),
        ({"name": " \n "}, "name", "must have 1 to 255 characters"),
        ({"name": None}, "name", "must not be null"),
        ({"description": "a\0b"}, "description", "must not contain U+0000"),
        ({"description": "d" * 5_001}, "description", "must have at most 5000 characters"),
        ({"avatar": "a" * 65}, "avatar", "must have at most 64 characters"),
        ({"model": "m" * 129}, "model", "must have at most 128 characters"),
        ({"system_prompt": "p" * 12_001}, "systemPrompt", "must have at most 12000 characters"),
        ({"allowed_tools": ("logs:read", "logs:delete")}, "allowedTools[1]", "is no scope"),
        ({"allowed_tools": None}, "allowedTools", "must not be null"),
        ({"allowed_peers": ("x",)}, "allowedPeers[0]", "must be a UUID"),
        ({"allowed_connectors": (PEER,) * 101}, "allowedConnectors", "must have at most 100 entries"),
        ({"is_active": None}, "isActive", "must not be null"),
        ({"settings": sized(8_193)}, "settings", "must have at most 8192 bytes"),
        ({"metadata": sized(32_769)}, "metadata", "must have at most 32768 bytes"),
        ({"metadata": nested(9)}, "metadata", "must be nested at most 8 deep"),
        ({"metadata": "[]"}, "metadata", "must be a JSON object"),
    ],
)
def test_read_draft_notes_faults(fields: dict[str, Any], path: str, message: str) -> None:
    """Under the contract's names."""
    with pytest.raises(LumetryError) as caught:
        read(**fields)
    assert (caught.value.reason, caught.value.faults) == (Reason.VALIDATION_FAILED, (Fault(path, message),))
