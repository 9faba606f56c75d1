import pytest

from lumetry_core.logs.query import ALL_LEVELS, Field, FieldTerm, Query, Request, TextTerm, parse_text, read_query
from lumetry_core.runtime.errors import Fault, Faults, LumetryError, Reason


@pytest.mark.parametrize(
    ("q", "texts", "fields"),
    [
        ("", [], []),
        ("Payment failed", [TextTerm(("payment",)), TextTerm(("failed",))], []),
        ('"Payment  failed!" x', [TextTerm(("payment", "failed")), TextTerm(("x",))], []),
        ('-debug -"a b"', [TextTerm(("debug",), is_excluded=True), TextTerm(("a", "b"), is_excluded=True)], []),
        ("pay* a/b*", [TextTerm(("pay",), is_prefix=True), TextTerm(("a", "b"), is_prefix=True)], []),
        ('"pay*"', [TextTerm(("pay",))], []),
        ("- *** ?!", [], []),
        ('"never closed', [TextTerm(("never", "closed"))], []),
        ("level:error", [], [FieldTerm(Field.LEVEL, ("error",))]),
        ("-environment:x", [], [FieldTerm(Field.ENVIRONMENT, ("x",), is_excluded=True)]),
        ("error.type:PaymentError", [], [FieldTerm(Field.ERROR_TYPE, ("PaymentError",))]),
        ("group_id:7", [], [FieldTerm(Field.GROUP, ("7",))]),
        ("trace_id:t project_id:p", [], [FieldTerm(Field.TRACE, ("t",)), FieldTerm(Field.PROJECT, ("p",))]),
        ('userId:123 user.name:"Ann B" metadata.k:v', [], [
            FieldTerm(Field.METADATA, ("123",), "userId"),
            FieldTerm(Field.METADATA, ("Ann B",), "user.name"),
            FieldTerm(Field.METADATA, ("v",), "k"),
        ]),
        ("a:b:c", [], [FieldTerm(Field.METADATA, ("b:c",), "a")]),
        ("http://host/path", [TextTerm(("http", "host", "path"))], []),
        ("12:30", [TextTerm(("12", "30"))], []),
        ("note: x", [TextTerm(("note",)), TextTerm(("x",))], []),
    ],
)  # fmt: skip
def test_parse_text(q: str, texts: list[TextTerm], fields: list[FieldTerm]) -> None:
    """Words, phrases, exclusions, prefixes and fields."""
    faults = Faults()
    assert parse_text(q, faults) == (texts, fields)
    assert not faults


def test_read_query() -> None:
    """Parameters and terms of the text become conditions; levels meet as one set."""
    request = Request(
        q="x",
        levels=("debug", "error", "fatal"),
        min_level="error",
        environments=("a", "b"),
        project_id="p",
        metadata=[("k", "v")],
        order="asc",
    )
    fields = (FieldTerm(Field.METADATA, ("v",), "k"), FieldTerm(Field.ENVIRONMENT, ("a", "b")), FieldTerm(Field.PROJECT, ("p",)))
    assert read_query(request, Faults()) == Query((TextTerm(("x",)),), fields, 1 << 4 | 1 << 5, is_ascending=True)
    assert read_query(Request(), Faults()) == Query(level_mask=ALL_LEVELS)


def test_read_query_reports_every_fault() -> None:
    """Each wrong parameter is named."""
    faults = Faults()
    metadata = [("", "v"), *[("k", "v")] * 10]
    read_query(Request(q="level:loud group_id:x " + "y" * 500, levels=("loud",), min_level="loud", metadata=metadata, order="up"), faults)
    names = "must be one of debug, info, warn, error, fatal, panic"
    with pytest.raises(LumetryError) as caught:
        faults.raise_if_any()
    assert caught.value.reason is Reason.VALIDATION_FAILED
    assert caught.value.faults == (
        Fault("q", "must have at most 512 characters"),
        Fault("q", f"level {names}"),
        Fault("q", "group_id must be an integer"),
        Fault("level", names),
        Fault("min_level", names),
        Fault("metadata", "at most 10 filters are allowed"),
        Fault("metadata.", "must name 1 to 512 characters"),
        Fault("order", "must be asc or desc"),
    )
