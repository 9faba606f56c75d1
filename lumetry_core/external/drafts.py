"""Sources and definitions as people send them, and what is wrong with them (contract lumetry 13.2, 13.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lumetry_core.external.model import ProviderType
from lumetry_core.rules.choices import check_text
from lumetry_core.rules.model import SEVERITIES, Severity
from lumetry_core.rules.scalars import check_name, read_exact
from lumetry_core.runtime.errors import Faults

MAX_KEY = 255
MAX_WORDS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDraft:
    """A source, unchecked. None means absent; the provider counts only when it is created."""

    name: str = ""
    provider_type: str = ""
    is_enabled: bool | None = None
    severity_mapping: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionDraft:
    """A definition, unchecked. None means absent. Source and key stay as they are for good."""

    source_id: int | None = None
    key: str | None = None
    node_id: int | None = None
    display_name: str | None = None
    is_enabled: bool | None = None


def check_source(draft: SourceDraft, faults: Faults) -> tuple[str, dict[str, Severity]]:
    """The name and the mapping of a source; whether the name is free the caller knows."""
    name = check_name(draft.name, "name", faults)
    faults.check(len(draft.severity_mapping) <= MAX_WORDS, "severityMapping", f"must have at most {MAX_WORDS} entries")
    mapping: dict[str, Severity] = {}
    seen: set[str] = set()
    for word, severity in draft.severity_mapping.items():
        path = f"severityMapping.{word}"
        faults.check(bool(word.strip()) and len(word) <= MAX_KEY, path, f"must have a word of between 1 and {MAX_KEY} characters")
        faults.check(word.lower() not in seen, path, "is mapped already, in another letter case")
        check_text(word, path, faults)
        seen.add(word.lower())
        mapping[word] = read_exact(SEVERITIES, severity, path, faults)
    return name, mapping


def check_provider(draft: SourceDraft, faults: Faults) -> ProviderType:
    """The provider of a new source."""
    return read_exact(ProviderType, draft.provider_type, "providerType", faults)


def check_display_name(draft: DefinitionDraft, faults: Faults) -> str | None:
    """The name that people see, if any."""
    return None if draft.display_name is None else check_name(draft.display_name, "displayName", faults)


def check_key(draft: DefinitionDraft, faults: Faults) -> str:
    """The key of a new definition, exactly as the provider spells it."""
    key = draft.key or ""
    faults.check(bool(key.strip()) and len(key) <= MAX_KEY, "definitionKey", f"must have between 1 and {MAX_KEY} characters")
    check_text(key, "definitionKey", faults)
    return key
