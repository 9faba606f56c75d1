"""The target that an operator sets for the whole deployment: told when no profile says whom to tell (contract lumetry 14.1, 20)."""

import msgspec

from lumetry_core.notifications.definitions import NEEDS_SECRET, check_integration
from lumetry_core.notifications.drafts import IntegrationDraft
from lumetry_core.notifications.model import MASK
from lumetry_core.runtime.addresses import Policy
from lumetry_core.runtime.errors import Faults, LumetryError

NAME = "Fallback target"


class Written(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The configuration's JSON object: an integration as `POST /api/alerting/integrations` takes it."""

    type: str
    endpoint_url: str | None = None
    name: str = NAME
    headers: dict[str, str] = {}
    config: dict[str, str] = {}
    secret: str | None = None


def read_fallback(text: str) -> IntegrationDraft | None:
    """The target as an operator wrote it; None: none is set. Raises ValueError, whose message repeats nothing of it."""
    if not text.strip():
        return None
    try:
        written = msgspec.json.decode(text, type=Written)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ValueError(str(error)) from None
    except msgspec.DecodeError:
        raise ValueError("is not a JSON object") from None
    return IntegrationDraft(
        name=written.name,
        type=written.type,
        endpoint_url=written.endpoint_url,
        headers=written.headers,
        config=written.config,
        secret=written.secret or None,
    )


def find_fallback_fault(text: str, policy: Policy) -> str | None:
    """What is wrong with a target; None when nothing is. Nothing secret is repeated."""
    try:
        draft = read_fallback(text)
    except ValueError as error:
        return str(error)
    if draft is None:
        return None
    faults = Faults()
    check_integration(draft, policy, faults)
    for name, value in draft.headers.items():
        faults.check(value != MASK, f"headers.{name}", "has no stored value to keep")
    faults.check(draft.type not in set(NEEDS_SECRET) or draft.secret is not None, "secret", "is required")
    try:
        faults.raise_if_any()
    except LumetryError as error:
        return ", ".join(f"{fault.path} {fault.message}" for fault in error.faults)
    return None
