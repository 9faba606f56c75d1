"""Inquiries for the operator's terminal and for programs."""

from collections.abc import Sequence

import msgspec

from lumetry_core.inquiries.model import Inquiry
from lumetry_core.runtime.clock import spell_time


def render_lines(inquiries: Sequence[Inquiry]) -> str:
    """A line for each: time, name, address of e-mail, company, beginning of the message; what cannot be printed is shown as a blank."""
    lines = []
    for inquiry in inquiries:
        draft = inquiry.draft
        parts = (spell_time(inquiry.receive_time), draft.name, draft.email, draft.company, draft.message[:200])
        lines.append("\t".join("".join(character if character.isprintable() else " " for character in part) for part in parts))
    return "".join(f"{line}\n" for line in lines)


def render_json(inquiries: Sequence[Inquiry]) -> str:
    """A JSON array with everything that is kept."""
    return msgspec.json.encode([document_of(inquiry) for inquiry in inquiries]).decode()


def document_of(inquiry: Inquiry) -> dict[str, str | None]:
    """An inquiry under the contract's names."""
    draft = inquiry.draft
    return {
        "id": inquiry.id,
        "receivedAt": spell_time(inquiry.receive_time),
        "name": draft.name,
        "email": draft.email,
        "company": draft.company,
        "jobTitle": draft.job_title or None,
        "phone": draft.phone or None,
        "country": draft.country or None,
        "companySize": draft.company_size or None,
        "message": draft.message,
        "address": inquiry.address,
        "userAgent": inquiry.user_agent,
    }
