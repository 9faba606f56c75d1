"""Answering a question with sentences of the documentation (contract workspace 13). The same pages give the same answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lumetry_core.documentation.model import Answer, Citation, Passage, Quotation, Section
from lumetry_core.documentation.ranking import Index
from lumetry_core.documentation.words import terms_of

MAX_SENTENCES = 5
MAX_EXCERPT = 600
BEST_SECTIONS = 3
"""Most sections from which sentences are taken …"""
GOOD_SHARE = 0.7
"""… none of them worse than such a share of the best."""
TELLING_SHARE = 0.5
"""Sentences are taken whose terms weigh such a share of the most telling one's."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that could be quoted."""

    section: int
    passage: int
    start: int
    end: int
    weight: float

    @property
    def place(self) -> tuple[int, int, int]:
        """Where it stands; ascends in page order."""
        return self.section, self.passage, self.start


def answer(index: Index, question: str, max_citations: int) -> Answer:
    """What the documentation says; nothing when no section matches."""
    terms = terms_of(question)
    if not terms:
        return Answer()
    candidates = list(find_candidates(index, terms))
    if not candidates:
        return Answer()
    most = max(candidate.weight for candidate in candidates)
    telling = sorted(
        (candidate for candidate in candidates if candidate.weight >= TELLING_SHARE * most),
        key=lambda candidate: (-candidate.weight, candidate.place),
    )
    return quote(index.sections, telling[:MAX_SENTENCES], max_citations)


def find_candidates(index: Index, terms: Sequence[str]) -> Iterator[Candidate]:
    """The sentences of the best matching sections that hold terms of the question."""
    weights = {term: index.rarity(term) for term in terms}
    found = [each for each in index.find(terms) if any(passage.sentences for passage in index.sections[each.position].passages)]
    for each in found[:BEST_SECTIONS]:
        if each.score < GOOD_SHARE * found[0].score:
            return
        for number, passage in enumerate(index.sections[each.position].passages):
            for start, end in passage.sentences:
                weight = sum(weights[term] for term in set(terms_of(passage.text[start:end])) & weights.keys())
                if weight:
                    yield Candidate(each.position, number, start, end, weight)


def quote(sections: Sequence[Section], chosen: Sequence[Candidate], max_citations: int) -> Answer:
    """Sentences in page order with the excerpts that hold them; of the sentences that need more citations than allowed the last ones go."""
    groups = group(sorted(chosen, key=lambda candidate: candidate.place))
    most_telling = sorted(groups, key=lambda each: (-max(one.weight for one in each), each[0].place))
    kept = sorted(most_telling[:max_citations], key=lambda each: each[0].place)
    quotations, citations = [], []
    for position, members in enumerate(kept):
        section = sections[members[0].section]
        passage = section.passages[members[0].passage]
        quotations += [Quotation(passage.text[one.start : one.end], (position,)) for one in members]
        citations.append(Citation(title_of(section), path_of(section), excerpt(passage, members[0].start, members[-1].end)))
    return Answer(tuple(quotations), tuple(citations))


def group(chosen: Sequence[Candidate]) -> list[list[Candidate]]:
    """Sentences in page order that fit into one excerpt together."""
    groups: list[list[Candidate]] = []
    for candidate in chosen:
        last = groups[-1] if groups else None
        if last is not None and last[0].place[:2] == candidate.place[:2] and candidate.end - last[0].start <= MAX_EXCERPT:
            last.append(candidate)
        else:
            groups.append([candidate])
    return groups


def excerpt(passage: Passage, start: int, end: int) -> str:
    """The text around quoted sentences, with as many of those that follow as there is room for."""
    for _, following in passage.sentences:
        if end < following <= start + MAX_EXCERPT:
            end = following
    return passage.text[start:end]


def title_of(section: Section) -> str:
    """Page and heading."""
    if section.heading == section.page.title:
        return section.page.title
    heading = section.heading
    return f"{section.page.title}: {heading[:1].lower() if heading[1:2].islower() else heading[:1]}{heading[1:]}"


def path_of(section: Section) -> str:
    """Address of the page with the anchor."""
    return f"{section.page.path}#{section.anchor}" if section.anchor else section.page.path
