"""The terms of a text: stems of its words, without those that mean nothing by themselves."""

import re
import unicodedata
from functools import lru_cache

import snowballstemmer

WORD = re.compile(r"[^\W_]+")
LONGEST = 64
STOP_WORDS = frozenset(
    WORD.findall(
        """
        a about above after again all also am an and any are as at be because been before being below between both but by can could did
        do does doing down during each else ever few for from further get gets had has have having he her here hers him his how i if in
        into is it its itself just let like may me might more most must my no nor not of off on once one only or other our ours out over
        own please same shall she should so some such tell than that the their theirs them then there these they this those through to
        too under until up us use used using very was we were what when where whether which while who whom whose why will with without
        would yes you your yours
        """
    )
)


def terms_of(text: str) -> list[str]:
    """The terms of a text in their order."""
    words = WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return [stem(word[:LONGEST]) for word in words if word not in STOP_WORDS and (len(word) > 1 or word.isdigit())]


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """The English stem of a word."""
    return str(snowballstemmer.stemmer("english").stemWord(word))
