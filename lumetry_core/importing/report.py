"""What an import did, for people and for programs. Nothing of it is secret: no addresses of channels, no headers, no credentials."""

from collections.abc import Sequence
from typing import Any

from lumetry_core.importing.applying import Fate, Result
from lumetry_core.importing.plan import CertificatePlan, ChannelPlan, EndpointPlan, HeartbeatPlan, Item, Plan
from lumetry_core.importing.values import host_and_port, split_url
from lumetry_core.shell.text import neutralise

HEADINGS = (
    (Fate.CREATED, "Created"),
    (Fate.PLANNED, "Would be created"),
    (Fate.EXISTING, "There already, left as it is"),
    (Fate.REFUSED, "Refused by the server"),
)
KIND_WIDTH = 13


def spell_report(plan: Plan, results: Sequence[Result]) -> list[str]:
    """The report, line by line."""
    lines = [f"{plan.origin}: {len(plan.items)} to import, {len(plan.left)} without counterpart"]
    for fate, heading in HEADINGS:
        of_fate = [result for result in results if result.fate is fate]
        if of_fate:
            lines += ["", f"{heading} ({len(of_fate)})"]
            for result in of_fate:
                lines.append(f"  {result.item.kind:<{KIND_WIDTH}}{result.item.title}  {describe(result.item)}".rstrip())
                notes = [result.note] if result.note else []
                if fate is not Fate.EXISTING:
                    notes += result.item.remarks
                lines += [f"  {'':<{KIND_WIDTH}}- {note}" for note in notes]
    if plan.left:
        lines += ["", f"Not imported ({len(plan.left)})"]
        lines += [f"  {left.title}: {left.reason}" for left in plan.left]
    if plan.remarks:
        lines += ["", "To know"]
        lines += [f"  {remark}" for remark in plan.remarks]
    return [neutralise(line) for line in lines]


def describe(item: Item) -> str:
    """What an item is, without anything secret: of addresses only the place."""
    match item:
        case EndpointPlan():
            return f"{place_of(item)}, every {item.pace.interval} s"
        case HeartbeatPlan():
            return f"every {item.interval} s, {item.grace} s of grace"
        case CertificatePlan():
            return f"warns {', '.join(map(str, item.warning_thresholds))} days before"
        case ChannelPlan():
            return item.type if item.is_enabled else f"{item.type}, disabled"


def place_of(item: EndpointPlan) -> str:
    """Where an endpoint is: paths and queries may hold secrets."""
    parts = split_url(item.target) if item.endpoint_type == "http" else None
    if parts is None or parts.hostname is None:
        return item.target
    return f"{parts.scheme}://{host_and_port(parts.hostname, parts.port) if parts.port else parts.hostname}"


def to_document(plan: Plan, results: Sequence[Result]) -> dict[str, Any]:
    """The report as JSON."""
    return {
        "origin": plan.origin,
        "results": [
            {
                "kind": str(result.item.kind),
                "name": result.item.title,
                "result": str(result.fate),
                "note": result.note or None,
                "remarks": list(result.item.remarks),
            }
            for result in results
        ],
        "left": [{"name": left.title, "reason": left.reason} for left in plan.left],
        "remarks": plan.remarks,
    }
