"""Checks single nodes and edges as they are sent, noting every fault by its path (contract lumetry 15.2, 15.3)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from lumetry_core.metrics.validation import read_metadata
from lumetry_core.runtime.errors import Faults
from lumetry_core.topology.draft import NodeDraft
from lumetry_core.topology.model import NodeType

MAX_EXTERNAL_ID = 255
MAX_DISPLAY_NAME = 255
MAX_ENVIRONMENT = 128
MAX_OWNER_TEAM = 255
GIVEN_EXTERNAL_ID = re.compile(r"node:[0-9]+", re.ASCII)
"""The form of the external ids that nodes get which have none."""

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class NodeFields:
    """What is written of a node. None: absent; blank texts say that there is none."""

    external_id: str | None
    node_type: NodeType | None
    display_name: str
    environment: str | None
    owner_team: str | None
    metadata: Mapping[str, Any] | None


def check_node(draft: NodeDraft, prefix: str, faults: Faults) -> NodeFields:
    """Reads the fields of a node; a type that is unknown is None. They are to be used only when no fault was noted."""
    if draft.external_id is not None:
        check_external_id(draft.external_id, f"{prefix}externalId", faults)
    name = draft.display_name.strip()
    faults.check(1 <= len(name) <= MAX_DISPLAY_NAME, f"{prefix}displayName", f"must have 1 to {MAX_DISPLAY_NAME} characters")
    faults.check("\0" not in name, f"{prefix}displayName", "must not contain the character NUL")
    return NodeFields(
        external_id=draft.external_id,
        node_type=read_choice(NodeType, draft.node_type, f"{prefix}nodeType", faults),
        display_name=name,
        environment=read_text(draft.environment, f"{prefix}environment", MAX_ENVIRONMENT, faults),
        owner_team=read_text(draft.owner_team, f"{prefix}ownerTeam", MAX_OWNER_TEAM, faults),
        metadata=None if draft.metadata_json is None else read_metadata(draft.metadata_json, faults, f"{prefix}metadata"),
    )


def check_external_id(external_id: str, path: str, faults: Faults) -> None:
    """Notes an external id that no node can have."""
    if not 1 <= len(external_id) <= MAX_EXTERNAL_ID or not external_id.strip():
        faults.add(path, f"must have 1 to {MAX_EXTERNAL_ID} characters")
    faults.check("\0" not in external_id, path, "must not contain the character NUL")


def read_text(text: str | None, path: str, limit: int, faults: Faults) -> str | None:
    """Reads an optional text without the blanks around it."""
    if text is None:
        return None
    kept = text.strip()
    faults.check(len(kept) <= limit, path, f"must have at most {limit} characters")
    faults.check("\0" not in kept, path, "must not contain the character NUL")
    return kept


def read_choice(kind: type[Choice], word: str, path: str, faults: Faults) -> Choice | None:
    """Reads a word exactly as it is spelled; None, and a fault, when it is unknown."""
    try:
        return kind(word)
    except ValueError:
        faults.add(path, f"must be one of {', '.join(kind)}")
        return None
