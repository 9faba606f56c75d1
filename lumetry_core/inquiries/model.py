"""Inquiries and what they may hold (contract workspace 14)."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from email_validator import EmailNotValidError, validate_email

from lumetry_core.runtime.errors import Faults

MAX_EMAIL = 254
MAX_MESSAGE = 5000
MAX_ADDRESS = 64
MAX_USER_AGENT = 256
REQUIRED: Mapping[str, int] = {"name": 120, "company": 200, "message": MAX_MESSAGE}
"""How many characters texts have that must not be empty."""
OPTIONAL: Mapping[str, int] = {"job_title": 120, "phone": 40, "country": 80}
COMPANY_SIZES = ("1-10", "11-50", "51-200", "201-1000", "1001-5000", "5000+")
KEPT = timedelta(days=400)
PATHS = {"job_title": "jobTitle"}
"""Fields that the contract spells otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InquiryDraft:
    """An inquiry as it was sent, unchecked; empty texts were not given."""

    name: str = ""
    email: str = ""
    company: str = ""
    message: str = ""
    job_title: str = ""
    phone: str = ""
    country: str = ""
    company_size: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """A stored inquiry. `id` is a UUID; texts that were not given are empty."""

    id: str
    draft: InquiryDraft
    address: str | None
    user_agent: str | None
    receive_time: datetime


def read_inquiry(sent: InquiryDraft) -> InquiryDraft:
    """The texts as they are kept. Fails with VALIDATION_FAILED, naming every fault."""
    faults = Faults()
    texts = {name: normalise(getattr(sent, name)) for name in InquiryDraft.__dataclass_fields__}
    for name, most in {**REQUIRED, **OPTIONAL}.items():
        path, least = PATHS.get(name, name), 1 if name in REQUIRED else 0
        wanted = f"must have {least} to {most} characters" if least else f"must have at most {most} characters"
        faults.check(least <= len(texts[name]) <= most, path, wanted)
        faults.check("\0" not in texts[name], path, "must not contain U+0000")
    texts["email"] = read_email(texts["email"], faults)
    faults.check(texts["company_size"] in ("", *COMPANY_SIZES), "companySize", f"must be one of {', '.join(COMPANY_SIZES)}")
    faults.raise_if_any()
    return InquiryDraft(**texts)


def read_email(text: str, faults: Faults) -> str:
    """An e-mail address as it is kept. Nobody is asked whether it exists."""
    message = f"must be an e-mail address of at most {MAX_EMAIL} characters"
    try:
        # Names below `test` are as good as others: nobody is written to.
        checked = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        faults.add("email", message)
        return ""
    faults.check(len(checked.normalized) <= MAX_EMAIL and "." in checked.domain, "email", message)
    return checked.normalized


def normalise(text: str) -> str:
    """A text as it is kept."""
    return unicodedata.normalize("NFC", text).strip()
