"""The verbs of the activity feed."""

from lumetry_core.activity.service.reading import list_activity
from lumetry_core.activity.service.writing import record

__all__ = ["list_activity", "record"]
