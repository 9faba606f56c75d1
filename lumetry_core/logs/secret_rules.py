"""What counts as a secret in a text, and what takes its place (contract logs 3.2).

Every pattern is linear: what follows a greedy run cannot fail in a way that would make the next attempt read the same run again. A start
that could lie inside a run it begins is held back by a look-behind, optional parts are bounded, and what must be checked by arithmetic
(cards, account numbers) is read group by group.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Counts = dict[str, int]


@dataclass(frozen=True, slots=True)
class Options:
    """What a project has switched on beyond what always applies."""

    emails: bool = False
    national_ids: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """Replaces a part of each match, by default all of it."""

    kind: str
    hints: tuple[str, ...]
    """Three characters each, one of which every match has; in lower case where case does not count."""
    pattern: re.Pattern[str]
    part: str | int = 0

    @property
    def ignores_case(self) -> bool:
        """Whether case does not count."""
        return bool(self.pattern.flags & re.IGNORECASE)


def mark(kind: str) -> str:
    """What takes the place of a secret."""
    return f"[REDACTED:{kind}]"


SECRET = "secret"  # noqa: S105 -- the name of a group
RULES = (
    Rule(
        "private_key",
        ("---",),
        re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL),
    ),
    Rule("url_password", ("://",), re.compile(r"(?<=[A-Za-z0-9+.-])://[^\s/:@?#\"<>]*+:(?P<secret>[^\s/?#\"<>]+)@"), SECRET),
    Rule(
        "auth",
        ("rer", "sic", "oke"),
        re.compile(r"(?<![A-Za-z])(?:bearer|basic|token) +(?P<secret>[A-Za-z0-9\-._~+/=]{16,})", re.IGNORECASE | re.ASCII),
        SECRET,
    ),
    Rule("jwt", ("eyJ",), re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,}+\.eyJ[A-Za-z0-9_-]{10,}+\.[A-Za-z0-9_-]+")),
    Rule("aws_key", ("AKI", "ASI", "ABI", "ACC"), re.compile(r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}")),
    Rule("github_token", ("hp_", "ho_", "hu_", "hs_", "hr_"), re.compile(r"gh[pousr]_[A-Za-z0-9]{36,}")),
    Rule("github_token", ("b_p",), re.compile(r"github_pat_[A-Za-z0-9_]{22,}")),
    Rule("gitlab_token", ("glp",), re.compile(r"glpat-[A-Za-z0-9_-]{20,}")),
    Rule("slack_token", ("xox",), re.compile(r"xox[abprs]-[A-Za-z0-9-]{10,}")),
    Rule("slack_token", ("://",), re.compile(r"https://hooks\.slack\.com/services/(?P<secret>[A-Za-z0-9/_-]+)"), SECRET),
    Rule("stripe_key", ("k_l", "k_t"), re.compile(r"[srp]k_(?:live|test)_[A-Za-z0-9]{16,}")),
    Rule("google_key", ("AIz",), re.compile(r"AIza[A-Za-z0-9_-]{35}")),
    Rule("ai_key", ("sk-",), re.compile(r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{20,}")),
    Rule("sendgrid_key", ("SG.",), re.compile(r"SG\.[A-Za-z0-9_-]{16,}+\.[A-Za-z0-9_-]{16,}")),
    Rule("twilio_key", tuple(f"SK{digit}" for digit in "0123456789abcdefABCDEF"), re.compile(r"SK[0-9a-fA-F]{32}")),
    Rule("npm_token", ("pm_",), re.compile(r"npm_[A-Za-z0-9]{36}")),
    Rule("pypi_token", ("pi-",), re.compile(r"pypi-[A-Za-z0-9_-]{50,}")),
    Rule(
        "lumetry_key",
        ("ll_", "lm_", "lmt", "hse"),
        re.compile(
            r"ll_[0-9a-f]{48}|alm_(?:live|test)_[0-9a-f]{48}|(?<![A-Za-z0-9])lmt[a-z]{0,8}_[A-Za-z0-9_-]{16,}|whsec_[A-Za-z0-9+/=_-]{16,}"
        ),
    ),
    Rule(
        "password",
        ("ssw", "swd", "pwd", "ssp", "ecr", "oke", "pi_", "pi-", "pik", "s_k"),
        re.compile(
            r"(?:password|passwd|pwd|passphrase|secret|token|api[_-]?key|access_key)"  # `client_secret` ends in `secret`
            r"(?:\\{0,4}[\"'])?[ \t]{0,4}[=:][ \t]{0,4}(?!\[REDACTED:)"
            r"(?P<secret>"
            r"\\\"(?:[^\"\\]|\\[^\"])*+(?:\\?\"|\Z)"  # quoted within a quoted text
            r"|\"(?:[^\"\\]|\\.)*+(?:\"|\Z)"  # a quotation that does not end hides the rest of the text
            r"|'(?:[^'\\]|\\.)*+(?:'|\Z)"
            r"|[^\s,;&\"']+)",
            re.IGNORECASE | re.DOTALL | re.ASCII,
        ),
        SECRET,
    ),
)
HINT = re.compile("|".join(sorted({re.escape(hint.lower()) for rule in RULES for hint in rule.hints})))
DIGIT_GROUPS = re.compile(r"[0-9]++(?:[ -][0-9]++)*+")
EMAIL = Rule("email", (), re.compile(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]++@[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)++"))
SOCIAL_SECURITY = Rule("national_id", (), re.compile(r"(?<![0-9A-Za-z-])[0-9]{3}-[0-9]{2}-[0-9]{4}(?![0-9A-Za-z-])"))
IBAN_START = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}+")
IBAN_GROUPS = re.compile(r"[A-Z0-9]+")


def scrub_text(text: str, options: Options, counts: Counts) -> str:
    """Replaces every secret of a text, counting by kind."""
    lowered = text.lower()
    if HINT.search(lowered):
        for rule in RULES:
            source = lowered if rule.ignores_case else text
            if any(hint in source for hint in rule.hints):
                text = apply(rule, text, counts)
    if len(text) >= MIN_CARD:
        text = replace_spans(text, "card", find_cards(text), counts)
    if options.emails:
        text = apply(EMAIL, text, counts)
    if options.national_ids:
        text = apply(SOCIAL_SECURITY, text, counts)
        text = replace_spans(text, "national_id", find_ibans(text), counts)
    return text


def apply(rule: Rule, text: str, counts: Counts) -> str:
    """Replaces what one rule finds."""
    return replace_spans(text, rule.kind, (found.span(rule.part) for found in rule.pattern.finditer(text)), counts)


def replace_spans(text: str, kind: str, spans: Iterable[tuple[int, int]], counts: Counts) -> str:
    """Replaces ascending parts of a text."""
    parts: list[str] = []
    done = 0
    for start, end in spans:
        parts += (text[done:start], mark(kind))
        done = end
        counts[kind] = counts.get(kind, 0) + 1
    return "".join((*parts, text[done:])) if parts else text


def find_cards(text: str) -> list[tuple[int, int]]:
    """Card numbers: of each row of digit groups the longest stretches that are one."""
    found = []
    for row in DIGIT_GROUPS.finditer(text):
        if row.end() - row.start() < MIN_CARD:
            continue
        groups = [group.span() for group in DIGITS.finditer(text, *row.span())]
        inner = groups[continues(text, row.start()) : len(groups) - text[row.end() : row.end() + 1].isalpha()]
        found += find_in_groups(inner, text, MIN_CARD, MAX_CARD, is_card)
    return found


DIGITS = re.compile(r"[0-9]+")
MIN_CARD = 13
MAX_CARD = 19


def continues(text: str, start: int) -> bool:
    """Whether digits that start here belong to a word or are the fraction of a number."""
    before = text[max(start - 2, 0) : start]
    return before[-1:].isalpha() or (before[-1:] == "." and before[:1].isdigit())


def find_in_groups(groups: list[tuple[int, int]], text: str, least: int, most: int, accept: Callable[[str], bool]) -> list[tuple[int, int]]:
    """Stretches of whole groups that are accepted, the longest from each group on; tries at most `most` ends per start."""
    found = []
    first = 0
    while first < len(groups):
        digits, ends = "", []
        for start, end in groups[first : first + most]:
            digits += text[start:end]
            if len(digits) > most:
                break
            ends.append((digits, end))
        match = next((end for stretch, end in reversed(ends) if len(stretch) >= least and accept(stretch)), None)
        if match is None:
            first += 1
            continue
        found.append((groups[first][0], match))
        while first < len(groups) and groups[first][0] < match:
            first += 1
    return found


def is_card(digits: str) -> bool:
    """Whether digits begin like a card's and pass the Luhn check."""
    if not MIN_CARD <= len(digits) <= MAX_CARD or digits[0] not in "23456":
        return False
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + position % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def find_ibans(text: str) -> list[tuple[int, int]]:
    """International account numbers, in one piece or in groups."""
    found: list[tuple[int, int]] = []
    row = IBAN_START.search(text)
    while row:
        groups = [group.span() for group in IBAN_GROUPS.finditer(text, *row.span())]
        if text[row.end() : row.end() + 1].isalnum():
            groups.pop()  # it was cut
        spans = [span for span in find_in_groups(groups, text, 15, 34, is_iban) if span[0] == row.start()]
        found += spans
        row = IBAN_START.search(text, spans[0][1] if spans else row.start() + 1)
    return found


def is_iban(code: str) -> bool:
    """Whether the check digits of an account number are right."""
    if not (code[:2].isalpha() and code[2:4].isdigit()):
        return False
    return int("".join(str(int(character, 36)) for character in code[4:] + code[:4])) % 97 == 1


HIDDEN_KEYS = frozenset(
    {
        *("password", "passwd", "pwd", "passphrase", "secret", "clientsecret", "apikey", "xapikey", "accesskey", "secretkey"),
        *("secretaccesskey", "token", "accesstoken", "refreshtoken", "idtoken", "authtoken", "sessiontoken", "authorization"),
        *("proxyauthorization", "cookie", "setcookie", "privatekey", "signingkey", "creditcard", "cardnumber", "cvv", "cvc"),
    }
)
HIDDEN_ENDINGS = ("password", "passwd", "secret", "apikey", "accesstoken", "privatekey")
SEPARATORS = str.maketrans("", "", "_-. ")


def hides_value(key: str) -> bool:
    """Whether whatever stands under a key is a secret."""
    name = key.lower().translate(SEPARATORS)
    return name in HIDDEN_KEYS or name.endswith(HIDDEN_ENDINGS)
