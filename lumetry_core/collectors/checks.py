"""What the texts of collectors may be."""

import uuid
from collections.abc import Sequence

from lumetry_core.runtime.errors import Faults

MAX_VERSION = 64
MAX_CAPABILITIES = 64
MAX_CAPABILITY = 64
MAX_COUNT = 2**53 - 1


def check_software(faults: Faults, version: str, capabilities: Sequence[str]) -> None:
    """Notes what is wrong with a version and capabilities."""
    faults.check(not version or is_text(version, MAX_VERSION), "version", f"must have at most {MAX_VERSION} printable characters")
    faults.check(len(capabilities) <= MAX_CAPABILITIES, "capabilities", f"must have at most {MAX_CAPABILITIES} elements")
    for position, capability in enumerate(capabilities[:MAX_CAPABILITIES]):
        path = f"capabilities[{position}]"
        faults.check(is_text(capability, MAX_CAPABILITY), path, f"must have 1 to {MAX_CAPABILITY} printable characters")


def is_text(text: str, max_length: int) -> bool:
    """Whether the text is there, short enough and printable."""
    return 0 < len(text) <= max_length and text.isprintable()


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID in its canonical form."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
