import re
from functools import cache

import pytest

from lumetry_core.documentation.cutting import cut, list_anchors
from lumetry_core.documentation.model import Page
from lumetry_core.documentation.pages import CHECKOUT, read_pages
from lumetry_core.documentation.quoting import answer
from lumetry_core.documentation.ranking import Index
from lumetry_core.documentation.service import build_index, check_question
from lumetry_core.documentation.words import terms_of
from lumetry_core.runtime.errors import LumetryError, Reason

PAGE = Page(
    "p",
    "Widgets",
    "docs/p.md",
    "# Widgets\n\nThe *first* `words`. Second one\ngoes on, e.g. here.\n\n"
    "## Make it\n\n- an item\n- [another](x.md)\n\n```sh\nmake widget\n```\n\n"
    "| a | b |\n|---|---|\n| cell | two |\n\n## Make it\n\nLast.\n",
)


@cache
def index() -> Index:
    return build_index()


def test_cut_gives_the_text_that_readers_see() -> None:
    """Sections end at headings; markup goes, code parts passages, rows of tables are read across."""
    assert [
        (
            section.heading,
            section.anchor,
            [(each.text, [each.text[a:b] for a, b in each.sentences]) for each in section.passages],
            section.code,
        )
        for section in cut(PAGE)
    ] == [
        (
            "Widgets",
            "widgets",
            [("The first words. Second one goes on, e.g. here.", ["The first words.", "Second one goes on, e.g. here."])],
            "",
        ),
        ("Make it", "make-it", [("an item another", ["an item", "another"]), ("cell two", ["cell two"])], "make widget\n"),
        ("Make it", "make-it-1", [("Last.", ["Last."])], ""),
    ]
    assert list_anchors(PAGE.markdown) == ["widgets", "make-it", "make-it-1"]


def test_terms_of_a_question() -> None:
    """Words are stemmed; those that mean nothing by themselves are left out."""
    assert terms_of("How do I acknowledge the INCIDENTS?") == ["acknowledg", "incid"]
    assert terms_of("What is it?") == []


def test_answer_quotes_how_to_acknowledge_an_incident() -> None:
    """The example of the contract is answered from the page about incidents."""
    found = answer(index(), "How do I acknowledge an incident?", 5)
    assert found.quotations[0].text == "POST /api/incidents/{id}/acknowledge records the acting operator."
    assert (found.citations[0].title, found.citations[0].path) == ("Incidents: lifecycle", "incidents#lifecycle")


@pytest.mark.parametrize(
    "question",
    [
        "How do I acknowledge an incident?",
        "How do I create a silence?",
        "How can I send logs?",
        "Where are uploaded files kept?",
        "How do I make a backup?",
        "What is a maintenance window?",
        "How long are logs kept?",
        "Which permission do I need to resolve an incident?",
        "How do I monitor a website?",
        "revoke api key",
    ],
)
@pytest.mark.parametrize("most", [1, 5])
def test_answer_is_quoted_word_for_word(question: str, most: int) -> None:
    """Everyday questions have answers; sentences stand in the excerpts they cite, excerpts on the page."""
    found = answer(index(), question, most)
    assert 1 <= len(found.quotations) <= 5
    assert 1 <= len(found.citations) <= most
    sections = {f"{section.page.path}#{section.anchor}": section for section in index().sections}
    for citation in found.citations:
        assert len(citation.excerpt) <= 600
        assert any(citation.excerpt in passage.text for passage in sections[citation.path].passages)
    for quotation in found.quotations:
        assert quotation.citations
        assert all(quotation.text in found.citations[position].excerpt for position in quotation.citations)
    assert answer(build_index(), question, most) == found


@pytest.mark.parametrize(
    "question",
    [
        "qwzx blarg fnord",
        "What is it?",
        "???",
        "airspeed velocity of an unladen swallow",
        "\x07\x1b[31m",
        "日本語の質問",
    ],
)
def test_answer_of_nonsense_is_empty(question: str) -> None:
    """What the documentation does not say is not answered."""
    assert answer(index(), question, 5).quotations == ()


def test_pages_are_those_for_readers() -> None:
    """Guide, introduction, contracts and the rest are there, decisions are not; the wheel carries all of them."""
    sources = {page.source for page in read_pages()}
    written = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "docs").rglob("*.md")} - {
        path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "docs" / "adr").rglob("*.md")
    }
    assert sources == written | {"README.md"}
    included = re.findall(
        r'^"([\w./]+)" = "lumetry_core/documentation/source/\1"$', (CHECKOUT / "pyproject.toml").read_text(), re.MULTILINE
    )
    assert all(any(source == each or source.startswith(f"{each}/") for each in included) for source in sources)


@pytest.mark.parametrize(
    ("question", "most", "reason"),
    [
        ("ab ", None, Reason.OUT_OF_RANGE),
        ("x" * 501, None, Reason.VALIDATION_FAILED),
        ("a\0bc", None, Reason.VALIDATION_FAILED),
        ("what", 0, Reason.OUT_OF_RANGE),
        ("what", 11, Reason.OUT_OF_RANGE),
    ],
)
def test_check_question_refuses(question: str, most: int | None, reason: Reason) -> None:
    """Too short and out of range are told from too long."""
    with pytest.raises(LumetryError) as raised:
        check_question(question, most)
    assert raised.value.reason is reason
