"""What an operator set for previews as for live evaluation."""

from dataclasses import dataclass

from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.notifications.model import Integration


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings that a preview shares with live evaluation and live routing.

    Args:
        defaults: What holds for organizations that do not set it.
        fallback: The deployment's target of notifications.
    """

    cycle_seconds: int
    defaults: OrganizationSettings
    fallback: Integration | None = None
