from collections.abc import Iterable

import pytest

from lumetry_core.metrics.definition import Definition, define, unpack_labels
from lumetry_core.metrics.dictionary import Dictionaries, UnreadDefinition
from lumetry_core.metrics.senders import PLAIN, Marking
from lumetry_core.runtime.errors import LumetryError, Reason

ONE, OTHER = b"1" * 16, b"2" * 16


def make_definitions(*numbered: tuple[int, str]) -> Iterable[UnreadDefinition]:
    def read(key: str) -> Definition:
        return define(key, [], "", "")

    return [(number, lambda key=key: read(key)) for number, key in numbered]  # type: ignore[misc]


def test_update_keeps_the_first_meaning_of_a_number() -> None:
    """A definition sent again is harmless."""
    dictionaries = Dictionaries()
    dictionaries.update(ONE, make_definitions((0, "a"), (1, "b")))
    dictionary = dictionaries.update(ONE, make_definitions((1, "changed"), (2, "c")))
    assert [definition.metric_key for definition in dictionary.definitions] == ["a", "b", "c"]


@pytest.mark.parametrize("numbered", [[], [(1, "b")]])
def test_update_of_an_unknown_dictionary(numbered: list[tuple[int, str]]) -> None:
    """Numbers that were never defined here make the sender define everything anew."""
    with pytest.raises(LumetryError) as caught:
        Dictionaries().update(ONE, make_definitions(*numbered))
    assert (caught.value.reason, caught.value.metadata) == (Reason.UNKNOWN_DICTIONARY, {"dictionary_id": ONE.hex()})


def test_update_forgets_what_was_unused_longest() -> None:
    """Memory is bounded: the oldest dictionary goes, the one in use stays."""
    dictionaries = Dictionaries(max_bytes=400)
    dictionaries.update(ONE, make_definitions((0, "a")))
    dictionaries.update(OTHER, make_definitions((0, "b")))
    assert dictionaries.update(OTHER, []).definitions[0].metric_key == "b"
    with pytest.raises(LumetryError):
        dictionaries.update(ONE, [])


def test_resolution_belongs_to_organization_and_marking() -> None:
    """The same numbers stand for different series under different callers."""
    dictionary = Dictionaries().update(ONE, make_definitions((0, "a")))
    marking = Marking((("collector.id", "c-1"),))
    plain, collector = dictionary.resolution(7, PLAIN), dictionary.resolution(7, marking)
    plain.ids[0] = 42
    assert (dictionary.resolution(7, PLAIN).ids.tolist()[:1], collector.ids.tolist()[:1]) == ([42], [0])
    assert unpack_labels(collector.definition(0).labels) == {"collector.id": "c-1"}
