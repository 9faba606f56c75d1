import msgspec
from msgspec import inspect

from gateway.contracts.lumetry.settings import SECTIONS, Settings, SettingsBody
from lumetry_core.access.settings import SETTINGS


def test_ranges_are_those_of_the_core() -> None:
    """What the gateway refuses and what the core refuses are the same, so that every fault is told at once."""
    ranges = {}
    for section in inspect.type_info(SettingsBody).fields:  # type: ignore[attr-defined]
        for field in section.type.types[0].fields:
            number = field.type.types[0]
            ranges[f"{section.name}.{field.encode_name}"] = (number.ge, number.le)
    assert ranges == {setting.path: (setting.least, setting.most) for setting in SETTINGS}


def test_answer_has_every_setting() -> None:
    """Nothing that an organization may set is missing from the answer."""
    answered = [f"{section}.{key}" for section, (_, keys) in SECTIONS.items() for key in keys.values()]
    assert answered == [setting.path for setting in SETTINGS]
    assert list(SECTIONS) == [field.name for field in msgspec.structs.fields(Settings)]
