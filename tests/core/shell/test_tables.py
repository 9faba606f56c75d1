from dataclasses import replace

import pytest

from lumetry_core.shell.screen import Screen
from lumetry_core.shell.tables import Column, draw_table

COLUMNS = (
    Column("ID", ["7", "1234"], is_number=True),
    Column("SEVERITY", ["Critical", "Warning"], has_colours=True),
    Column("ALERT", ["Database of the shop is slow", "銀行のデータベースが遅い"], can_shrink=True),
    Column("REASON", ["3 violations within 5 minutes", "-"], can_shrink=True, can_go=True),
    Column("OPENED", ["08:00:00", "08:01:00"], can_go=True),
)


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (
            None,
            [
                "  ID  SEVERITY  ALERT                         REASON                         OPENED",
                "   7  Critical  Database of the shop is slow  3 violations within 5 minutes  08:00:00",
                "1234  Warning   銀行のデータベースが遅い      -                              08:01:00",
            ],
        ),
        (
            70,
            [
                "  ID  SEVERITY  ALERT                  REASON                 OPENED",
                "   7  Critical  Database of the shop…  3 violations within …  08:00:00",
                "1234  Warning   銀行のデータベースが…  -                      08:01:00",
            ],
        ),
        (
            44,
            [
                "  ID  SEVERITY  ALERT          REASON",
                "   7  Critical  Database of …  3 violations…",
                "1234  Warning   銀行のデータ…  -",
            ],
        ),
        (
            30,
            [
                "  ID  SEVERITY  ALERT",
                "   7  Critical  Database of t…",
                "1234  Warning   銀行のデータ…",
            ],
        ),
        (
            14,
            [
                "  ID  SEVERITY",
                "   7  Critical",
                "1234  Warning",
            ],
        ),
        (10, ["  ID  SEV…", "   7  Cri…", "1234  War…"]),
    ],
)
def test_draw_table_fits_the_terminal(screen: Screen, width: int | None, lines: list[str]) -> None:
    """Texts are cut first, then what can be spared goes, the last column first; a pipe gets everything."""
    drawn = draw_table(COLUMNS, replace(screen, width=width))
    assert drawn == lines


def test_draw_table_colours_words_alone(screen: Screen) -> None:
    """Colours change neither alignment nor what other columns say."""
    columns = (Column("STATUS", ["Open"], has_colours=True), Column("NAME", ["Open"]))
    assert draw_table(columns, replace(screen, is_coloured=True)) == [
        "\x1b[1mSTATUS\x1b[0m  \x1b[1mNAME\x1b[0m",
        "\x1b[91mOpen  \x1b[0m  Open",
    ]


def test_draw_table_without_unicode(screen: Screen) -> None:
    """What is cut ends with a character that can be written."""
    assert draw_table((Column("NAME", ["a name that is long"], can_shrink=True),), replace(screen, width=14, is_unicode=False)) == [
        "NAME",
        "a name that i~",
    ]
