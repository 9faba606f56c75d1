"""Full-text ranking of sections (contract workspace 13): BM25 over title, heading and text."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lumetry_core.documentation.model import Section
from lumetry_core.documentation.words import terms_of

K1 = 1.2
B = 0.75
TITLE_WEIGHT, HEADING_WEIGHT, TEXT_WEIGHT = 3, 2, 1
LEAST_SHARE = 0.6
"""A section matches when it holds so much of a question's terms, weighed by their rarity."""


@dataclass(frozen=True, slots=True)
class Found:
    """A section that matches, by its position."""

    position: int
    score: float


class Index:
    """The terms of all sections."""

    def __init__(self, sections: Sequence[Section]) -> None:
        self.sections = sections
        self._counts = [weigh(section) for section in sections]
        self._lengths = [counts.total() for counts in self._counts]
        self._mean = sum(self._lengths) / max(len(sections), 1)
        self._having = Counter(term for counts in self._counts for term in counts)

    def rarity(self, term: str) -> float:
        """The rarer a term is among the sections, the more it weighs; most when none has it."""
        having = self._having[term]
        return math.log(1 + (len(self.sections) - having + 0.5) / (having + 0.5))

    def find(self, terms: Sequence[str]) -> list[Found]:
        """The sections that match, best first, equals in page order."""
        weights = {term: self.rarity(term) for term in dict.fromkeys(terms)}
        needed = LEAST_SHARE * sum(weights.values())
        found = []
        for position, counts in enumerate(self._counts):
            held = [term for term in weights if term in counts]
            if held and sum(weights[term] for term in held) >= needed:
                found.append(Found(position, sum(weights[term] * self._saturate(position, term) for term in held)))
        return sorted(found, key=lambda each: (-each.score, each.position))

    def _saturate(self, position: int, term: str) -> float:
        count = self._counts[position][term]
        norm = K1 * (1 - B + B * self._lengths[position] / self._mean)
        return count * (K1 + 1) / (count + norm)


def weigh(section: Section) -> Counter[str]:
    """How often the terms of a section occur, by where they stand."""
    counts: Counter[str] = Counter()
    texts = (*(passage.text for passage in section.passages), section.code)
    for weight, part in ((TITLE_WEIGHT, section.page.title), (HEADING_WEIGHT, section.heading), *((TEXT_WEIGHT, text) for text in texts)):
        for term in terms_of(part):
            counts[term] += weight
    return counts
