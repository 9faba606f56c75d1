"""The verbs of the documentation."""

import asyncio
import unicodedata
from datetime import datetime

from lumetry_core.billing.model import Meter, Usage
from lumetry_core.billing.service.budgets import check_budget
from lumetry_core.billing.service.metering import count
from lumetry_core.documentation.cutting import cut
from lumetry_core.documentation.model import Answer, Page
from lumetry_core.documentation.pages import read_pages
from lumetry_core.documentation.quoting import answer
from lumetry_core.documentation.ranking import Index
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason

LEAST_QUESTION, LONGEST_QUESTION = 3, 500
DEFAULT_CITATIONS, MAX_CITATIONS = 5, 10


class Library:
    """All pages, cut and indexed when the first question comes."""

    def __init__(self) -> None:
        self._index: Index | None = None
        self._building = asyncio.Lock()

    async def ask(self, question: str, max_citations: int) -> Answer:
        """What the documentation says of a question that was checked."""
        async with self._building:
            if self._index is None:
                self._index = await asyncio.to_thread(build_index)
        return answer(self._index, question, max_citations)


def build_index() -> Index:
    """The index of all sections."""
    return Index([section for page in read_pages() for section in cut(page)])


def get_page(path: str) -> Page:
    """A page by its address below `/docs/`. Fails with NOT_FOUND."""
    for page in read_pages():
        if page.path == path:
            return page
    raise LumetryError(Reason.NOT_FOUND, "Page not found", type="Page", id=path)


def check_question(question: str, max_citations: int | None) -> tuple[str, int]:
    """A question and how many citations its answer may have. Fails with VALIDATION_FAILED, OUT_OF_RANGE."""
    text = unicodedata.normalize("NFC", question).strip()
    faults = Faults()
    faults.check_range(len(text) >= LEAST_QUESTION, "question", f"must have at least {LEAST_QUESTION} characters")
    faults.check(len(text) <= LONGEST_QUESTION, "question", f"must have at most {LONGEST_QUESTION} characters")
    faults.check("\0" not in text, "question", "must not contain U+0000")
    in_range = max_citations is None or 1 <= max_citations <= MAX_CITATIONS
    faults.check_range(in_range, "maxCitations", f"must be between 1 and {MAX_CITATIONS}")
    faults.raise_if_any()
    return text, max_citations or DEFAULT_CITATIONS


async def admit_question(tx: Transaction, caller: Caller, now: datetime) -> None:
    """Lets a member ask. Fails with QUOTA_EXHAUSTED."""
    await check_budget(tx, caller.organization_id, {Meter.DOCS_QUESTIONS: 1}, now)


async def count_question(tx: Transaction, caller: Caller, now: datetime) -> None:
    """Counts a member's question that was answered."""
    await count(tx, caller.organization_id, [Usage(Meter.DOCS_QUESTIONS, 1)], now)
