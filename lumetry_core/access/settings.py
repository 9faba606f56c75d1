"""What an organization may set for itself (contract lumetry 20, level org): names, ranges and defaults."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from lumetry_core.runtime.errors import Faults


@dataclass(frozen=True, slots=True)
class OrganizationSettings:
    """The settings of an organization; the defaults are those of the contract."""

    evaluation_grace_seconds: int = 120
    """A point that is older than its series' newest by more is late."""
    catalog_stale_after_hours: int = 24
    """A metric without a point for so long is stale."""
    fleet_staleness_seconds: int = 180
    """A member without a point for so long takes no part in fleet analysis."""
    fleet_member_gone_minutes: int = 60
    """A member without a point for so long has left its fleet."""
    correlation_window_minutes: int = 30
    """An alert joins an incident whose newest member started at most so long before or after it."""
    incidents_reopen_settle_minutes: int = 10
    """Evidence within so long after a resolution is disregarded."""
    incidents_reopen_horizon_minutes: int = 60
    """For so long after a resolution an incident may reopen; 0: never."""
    incidents_persistence_threshold_minutes: int = 120
    """Evidence so long after a resolution, and past the horizon, is worth a follow-up incident."""
    incidents_auto_resolve_after_minutes: int | None = None
    """An incident without active alerts for so long is resolved; None: never by itself."""
    agents_max_series: int = 2000
    """Series that one agent may send."""

    @property
    def correlation_window(self) -> timedelta:
        """`correlation_window_minutes` as a span."""
        return timedelta(minutes=self.correlation_window_minutes)

    @property
    def stale_after(self) -> timedelta:
        """`catalog_stale_after_hours` as a span."""
        return timedelta(hours=self.catalog_stale_after_hours)


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting: its section and its key there, and the range of its values, which only a setting that can be off leaves for None."""

    section: str
    key: str
    least: int
    most: int
    can_be_off: bool = False

    @property
    def field(self) -> str:
        """Its field of `OrganizationSettings`."""
        return f"{self.section}_{self.key}"

    @property
    def path(self) -> str:
        """Its name in the contract, such as `evaluation.graceSeconds`."""
        first, *others = self.key.split("_")
        return f"{self.section}.{first}{''.join(word.capitalize() for word in others)}"

    def find_fault(self, value: int | None) -> str | None:
        """What is wrong with a value; None when nothing is."""
        if value is None:
            return None if self.can_be_off else "must have a value"
        return None if self.least <= value <= self.most else f"must be between {self.least} and {self.most}"


SETTINGS = (
    Setting("evaluation", "grace_seconds", 0, 3600),
    Setting("catalog", "stale_after_hours", 1, 720),
    Setting("fleet", "staleness_seconds", 30, 3600),
    Setting("fleet", "member_gone_minutes", 5, 10_080),
    Setting("correlation", "window_minutes", 1, 1440),
    Setting("incidents", "reopen_settle_minutes", 0, 1440),
    Setting("incidents", "reopen_horizon_minutes", 0, 10_080),
    Setting("incidents", "persistence_threshold_minutes", 1, 10_080),
    Setting("incidents", "auto_resolve_after_minutes", 1, 10_080, can_be_off=True),
    Setting("agents", "max_series", 100, 20_000),
)
"""In the order of the contract."""
BY_FIELD: Mapping[str, Setting] = {setting.field: setting for setting in SETTINGS}
BY_PATH: Mapping[str, Setting] = {setting.path: setting for setting in SETTINGS}


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """What is to become of some settings."""

    values: Mapping[str, int | None]
    """New values by field; None switches a setting off."""
    unset: Collection[str] = ()
    """Contract names of settings that are to follow the deployment again."""


def check_change(change: SettingsChange) -> None:
    """Fails with VALIDATION_FAILED, naming every fault by the contract's name of its setting."""
    faults = Faults()
    for field, value in change.values.items():
        setting = BY_FIELD[field]
        fault = setting.find_fault(value)
        faults.check(fault is None, setting.path, fault or "")
    for position, path in enumerate(change.unset):
        setting_to_unset = BY_PATH.get(path)
        faults.check(setting_to_unset is not None, f"unset[{position}]", f"{path} is not a setting of organizations")
        is_given = setting_to_unset is not None and setting_to_unset.field in change.values
        faults.check(not is_given, f"unset[{position}]", f"{path} is given a value as well")
    faults.raise_if_any()


def to_contract(settings: OrganizationSettings) -> dict[str, dict[str, int | None]]:
    """The settings as the contract nests them."""
    nested: dict[str, dict[str, int | None]] = {}
    for setting in SETTINGS:
        section, _, name = setting.path.partition(".")
        nested.setdefault(section, {})[name] = getattr(settings, setting.field)
    return nested
