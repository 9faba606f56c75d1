from html.parser import HTMLParser

import pytest

from gateway.statuspage.files import NAMES, PAGE_HEADERS, link_to, read_file
from gateway.statuspage.markup import element, join
from gateway.statuspage.rendering import grade, render_page, spell_percent
from gateway.statuspage.view import Component, Day, Group, Incident, Maintenance, Update, View

EVIL = "<script>alert('x')</script>\" onload=\"x & y"
VOID = {"meta", "link"}


class Reader(HTMLParser):
    """Reads a page and complains of what is not well-formed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def a_view(text: str = "Shop") -> View:
    days = [Day("2026-06-01", 99.5), Day("2026-05-31", 96.0), *(Day(f"2026-05-{day:02}", 100.0) for day in range(1, 5)), Day("x", None)]
    return View(
        organisation=text,
        status="major_outage",
        message="Major System Outage",
        update_time="2026-06-01T08:00:00Z",
        last_event_id=4711,
        groups=[Group(text, [Component(1, text, "major_outage", 99.25, days), Component(2, "Certificate", "operational", None, [])])],
        incidents=[
            Incident(9, text, "critical", is_resolved=False, updates=[Update("investigating", text, "2026-06-01T07:00:00.250Z")]),
            Incident(8, "Old", "major", is_resolved=True, updates=[Update("resolved", "Over.", "2026-06-01T06:00:00Z")]),
        ],
        maintenance=[Maintenance(4, text, "2026-06-02T08:00:00Z", "2026-06-02T09:00:00Z", [text, "B"], is_active=False)],
    )


def test_render_everything() -> None:
    """The page says all there is to say as text, without any script."""
    read = Reader(render_page(a_view()))
    for part in (
        "Major System Outage",
        "Major outage",
        "99.25 % uptime",
        "Investigating Shop 2026-06-01 07:00 UTC",
        "Resolved within 24 hours",
        "2026-06-02 08:00 UTC to 2026-06-02 09:00 UTC",
        "Shop, B",
        "Planned",
    ):
        assert part in read.text
    [days] = [attributes for _, attributes in read.elements if attributes.get("role") == "img"]
    assert days["aria-label"] == "99.25 % uptime over the last 7 days; lowest on 2026-05-31: 96 %"
    bars = [attributes for tag, attributes in read.elements if tag == "i"]
    assert [bar["class"] for bar in bars] == ["none", "fine", "fine", "fine", "fine", "poor", "good"]
    assert bars[-1]["title"] == "2026-06-01: 99.5 %"
    [main] = [attributes for tag, attributes in read.elements if tag == "main"]
    assert main["data-last-event-id"] == "4711"


def test_render_hostile_texts() -> None:
    """Texts cannot become markup or attributes, wherever they stand."""
    plain, hostile = Reader(render_page(a_view())), Reader(render_page(a_view(EVIL)))
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in plain.elements]
    assert [set(attributes) for _, attributes in hostile.elements] == [set(attributes) for _, attributes in plain.elements]
    assert EVIL in hostile.text


def test_render_nothing_inline() -> None:
    """Nothing that the security policy forbids is in the page: no inline style or script, nothing of another host."""
    for tag, attributes in Reader(render_page(a_view())).elements:
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        for link in ("src", "href"):
            assert (attributes.get(link) or "/status/static/").startswith("/status/static/")
        assert tag != "style"
        assert tag != "script" or attributes["src"]
    policy = PAGE_HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy


def test_render_empty_page() -> None:
    """A page without components says so."""
    view = View("Acme", "operational", "All Systems Operational", "2026-06-01T08:00:00Z", 0, [], [], [])
    read = Reader(render_page(view))
    assert "Nothing is shown here yet." in read.text
    assert "Incidents" not in read.text


@pytest.mark.parametrize(
    ("percent", "expected"),
    [(None, "none"), (100.0, "fine"), (99.99, "good"), (99.0, "good"), (98.99, "poor"), (94.99, "bad"), (0.0, "bad")],
)
def test_grade_of_days(percent: float | None, expected: str) -> None:
    """Only a day without any failure is fine; a day without data has no grade."""
    assert grade(percent) == expected


def test_spell_percent_shortly() -> None:
    """Needless zeros are left out."""
    assert [spell_percent(value) for value in (100.0, 99.9, 99.95, 0.0)] == ["100 %", "99.9 %", "99.95 %", "0 %"]


def test_join_what_is_html() -> None:
    """HTML passes, text is escaped, nothing leaves nothing."""
    assert join("<", element("b", "a&b", class_="x", title=None, aria_label='"'), None, ["<", element("br")]) == (
        '&lt;<b class="x" aria-label="&quot;">a&amp;b</b>&lt;<br>'
    )


def test_read_files() -> None:
    """Every file has its type and a link that changes with it."""
    assert {name: read_file(name).media_type for name in NAMES} == {
        "page.css": "text/css",
        "page.js": "text/javascript",
        "icon.svg": "image/svg+xml",
    }
    for name in NAMES:
        assert link_to(name).startswith(f"/status/static/{name}?v=")
