"""The page as HTML. It works without scripts; `page.js` keeps it up to date where they run."""

from collections.abc import Mapping
from datetime import datetime

from gateway.statuspage.files import link_to
from gateway.statuspage.markup import Html, element, join
from gateway.statuspage.view import Component, Day, Group, Incident, Maintenance, View

STATUS_NAMES: Mapping[str, str] = {
    "operational": "Operational",
    "degraded": "Degraded",
    "partial_outage": "Partial outage",
    "under_maintenance": "Maintenance",
    "major_outage": "Major outage",
}
STEP_NAMES: Mapping[str, str] = {"investigating": "Investigating", "identified": "Identified", "resolved": "Resolved"}
REFRESH_SECONDS = "60"
"""How often the page is loaded again where no script keeps it up to date."""
FINE, GOOD, POOR = 100.0, 99.0, 95.0


def render_page(view: View) -> str:
    """The whole document."""
    name = f"{view.organisation} status"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{view.message} · {name}"),
        element("link", rel="icon", type="image/svg+xml", href=link_to("icon.svg")),
        element("link", rel="stylesheet", href=link_to("page.css")),
        element("noscript", element("meta", http_equiv="refresh", content=REFRESH_SECONDS)),
        element("script", src=link_to("page.js"), defer=""),
    )
    body = element(
        "body",
        element("header", element("h1", name)),
        element(
            "main",
            render_banner(view),
            render_incidents([incident for incident in view.incidents if not incident.is_resolved], "Incidents"),
            render_maintenance(view),
            [render_group(group) for group in view.groups] or element("p", "Nothing is shown here yet."),
            render_incidents([incident for incident in view.incidents if incident.is_resolved], "Resolved within 24 hours"),
            element("footer", element("p", "Updated ", render_time(view.update_time)), render_live()),
            id="page",
            data_last_event_id=str(view.last_event_id),
        ),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def render_live() -> Html:
    """Tells whether the page changes by itself; scripts fill it."""
    return element("p", id="live", hidden="")


def render_banner(view: View) -> Html:
    """How the whole is, read out by screen readers whenever it changes."""
    mark = element("span", class_="mark", aria_hidden="true")
    message = element("p", view.message, id="message")
    return element("section", mark, message, id="global", class_=f"banner {view.status}", role="status", aria_label="Overall status")


def render_group(group: Group) -> Html:
    """A group with its components."""
    return element(
        "section",
        element("h2", group.name),
        element("ul", [render_component(component) for component in group.components], class_="components"),
        class_="group",
    )


def render_component(component: Component) -> Html:
    """A component: name, status and days."""
    name = element("span", component.name, class_="name")
    badge = element("span", STATUS_NAMES[component.status], class_=f"badge {component.status}")
    row = element("div", name, badge, class_="row")
    bars = render_days(component) if component.days else None
    return element("li", row, bars, id=f"component-{component.id}", class_="component", data_status=component.status)


def render_days(component: Component) -> Html:
    """A bar for each day, oldest first, and the same as text."""
    bars = [element("i", class_=grade(day.percent), title=tell_day(day)) for day in reversed(component.days)]
    known = [day for day in component.days if day.percent is not None]
    worst = min(known, key=lambda day: day.percent or 0.0, default=None)
    total = "No data yet" if component.uptime is None else f"{spell_percent(component.uptime)} uptime"
    spoken = f"{total} over the last {len(component.days)} days"
    if worst is not None and worst.percent != FINE:
        spoken += f"; lowest on {tell_day(worst)}"
    legend = element(
        "div",
        element("span", f"{len(component.days)} days ago", class_="ago"),
        element("span", total, class_="total"),
        element("span", "Today"),
        class_="legend",
        aria_hidden="true",
    )
    return join(element("div", bars, class_="days", role="img", aria_label=spoken), legend)


def grade(percent: float | None) -> str:
    """The class of a day's bar."""
    if percent is None:
        return "none"
    if percent >= FINE:
        return "fine"
    return "good" if percent >= GOOD else "poor" if percent >= POOR else "bad"


def tell_day(day: Day) -> str:
    """A day in words."""
    return f"{day.date}: {'no data' if day.percent is None else spell_percent(day.percent)}"


def spell_percent(percent: float) -> str:
    """A share without needless zeros."""
    return f"{percent:.2f}".rstrip("0").rstrip(".") + " %"


def render_incidents(incidents: list[Incident], heading: str) -> Html | None:
    """Incidents below a heading; nothing without any."""
    if not incidents:
        return None
    return element("section", element("h2", heading), [render_incident(incident) for incident in incidents], class_="incidents")


def render_incident(incident: Incident) -> Html:
    """An incident with all its steps."""
    steps = [
        element("li", element("strong", STEP_NAMES[update.status]), " ", update.message, " ", render_time(update.time))
        for update in incident.updates
    ]
    look = "resolved" if incident.is_resolved else incident.severity
    return element("article", element("h3", incident.title), element("ul", steps), id=f"incident-{incident.id}", class_=f"incident {look}")


def render_maintenance(view: View) -> Html | None:
    """Maintenance that lasts or comes; nothing without any."""
    if not view.maintenance:
        return None
    windows = [render_window(window) for window in view.maintenance]
    return element("section", element("h2", "Maintenance"), windows, class_="maintenance")


def render_window(window: Maintenance) -> Html:
    """A maintenance window."""
    state = element("span", "In progress" if window.is_active else "Planned", class_="badge under_maintenance")
    return element(
        "article",
        element("div", element("h3", window.title), state, class_="row"),
        element("p", render_time(window.start), " to ", render_time(window.end)),
        element("p", ", ".join(window.components)),
        class_="window",
    )


def render_time(text: str) -> Html:
    """A time for people, in UTC; scripts turn it into the reader's own."""
    moment = datetime.fromisoformat(text)
    return element("time", moment.strftime("%Y-%m-%d %H:%M UTC"), datetime=text)
