import json

from lumetry_core.inquiries.listing import render_json, render_lines
from lumetry_core.inquiries.model import Inquiry, InquiryDraft
from tests.conftest import FakeClock

ADA = InquiryDraft(name="Ada\x1b[2J", email="ada@example.com", company="Engines", message="one\ntwo" + "." * 300, job_title="Analyst")


def test_render_lines_and_json(clock: FakeClock) -> None:
    """A line shows the beginning and nothing that a terminal would obey; JSON has everything."""
    inquiry = Inquiry(id="i-1", draft=ADA, address="192.0.2.1", user_agent=None, receive_time=clock.now())
    assert render_lines([inquiry]) == f"2026-06-01T08:00:00Z\tAda [2J\tada@example.com\tEngines\tone two{'.' * 193}\n"
    assert render_lines([]) == ""
    assert json.loads(render_json([inquiry])) == [
        {
            "id": "i-1",
            "receivedAt": "2026-06-01T08:00:00Z",
            "name": "Ada\x1b[2J",
            "email": "ada@example.com",
            "company": "Engines",
            "jobTitle": "Analyst",
            "phone": None,
            "country": None,
            "companySize": None,
            "message": ADA.message,
            "address": "192.0.2.1",
            "userAgent": None,
        }
    ]
