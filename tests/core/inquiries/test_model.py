from dataclasses import replace

import pytest

from lumetry_core.inquiries.model import InquiryDraft, read_inquiry
from lumetry_core.runtime.errors import Fault, LumetryError, Reason

ADA = InquiryDraft(name="Ada", email="ada@example.com", company="Engines", message="Hello")
EMAIL = "must be an e-mail address of at most 254 characters"


def test_read_inquiry_trims_and_normalises() -> None:
    """White space around texts goes, characters are composed, and so is the address."""
    sent = InquiryDraft(
        name=" Ada\n",
        email=" ada@EXAMPLE.com ",
        company="Cafe\u0301",
        message="\tone\ntwo ",
        job_title=" a",
        phone="1 ",
        company_size=" 5000+ ",
    )
    assert read_inquiry(sent) == InquiryDraft(
        name="Ada", email="ada@example.com", company="Café", message="one\ntwo", job_title="a", phone="1", company_size="5000+"
    )


def test_read_inquiry_at_its_limits() -> None:
    """Texts as long as they may be are taken."""
    longest = InquiryDraft(
        name="n" * 120,
        email=f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 55}.com",
        company="c" * 200,
        message="m" * 5000,
        job_title="j" * 120,
        phone="1" * 40,
        country="d" * 80,
    )
    assert (read_inquiry(longest), len(longest.email)) == (longest, 252)


def test_read_inquiry_names_every_fault() -> None:
    """An answer tells all that is wrong."""
    wrong = InquiryDraft(
        name=" ",
        email="ada",
        company="c" * 201,
        message="a\0b",
        job_title="j" * 121,
        phone="1" * 41,
        country="d" * 81,
        company_size="11-51",
    )
    with pytest.raises(LumetryError) as refused:
        read_inquiry(wrong)
    assert refused.value.reason is Reason.VALIDATION_FAILED
    assert refused.value.faults == (
        Fault("name", "must have 1 to 120 characters"),
        Fault("company", "must have 1 to 200 characters"),
        Fault("message", "must not contain U+0000"),
        Fault("jobTitle", "must have at most 120 characters"),
        Fault("phone", "must have at most 40 characters"),
        Fault("country", "must have at most 80 characters"),
        Fault("email", EMAIL),
        Fault("companySize", "must be one of 1-10, 11-50, 51-200, 201-1000, 1001-5000, 5000+"),
    )


@pytest.mark.parametrize("email", ["", "ada", "@example.com", "ada@", "a b@example.com", "ada@host", "ada@example..com", "a@b@example.com"])
def test_read_inquiry_refuses_what_is_no_address(email: str) -> None:
    """Nothing but an address to which mail could go."""
    with pytest.raises(LumetryError) as refused:
        read_inquiry(replace(ADA, email=email))
    assert refused.value.faults == (Fault("email", EMAIL),)


@pytest.mark.parametrize("email", ["ada+lab@example.com", "ada@mail.example.test", "ädä@example.com", "o'neil@example.co.uk"])
def test_read_inquiry_takes_unusual_addresses(email: str) -> None:
    """Signs that addresses may have, and names that are kept for tests."""
    assert read_inquiry(replace(ADA, email=email)).email == email
