"""The shape of a message: what stays the same when an error happens again (contract logs 7.4).

Every pattern is linear in time. A shape has no digits, no pairs of quotes and no runs of spaces left, so that its own shape is itself.
"""

import re
from collections.abc import Callable
from ipaddress import AddressValueError, IPv6Address

MAX_SHAPE = 512

UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
TIME = re.compile(
    r"(?<![0-9])[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]++)?)?(?:[Zz]|[+-][0-9]{2}:?[0-9]{2}(?![0-9]))?"
)
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}+://[^\s\"'`<>]++")
EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}+@[A-Za-z0-9-]{1,63}+(?:\.[A-Za-z0-9-]{1,63}+){1,8}+")
IPV4 = re.compile(r"(?<![0-9.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9]|\.[0-9])(?::[0-9]{1,5}(?![0-9]))?")
IPV6 = re.compile(r"\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5}(?![0-9]))?|(?<![\w:.])([0-9A-Fa-f]{0,4}+:[0-9A-Fa-f:.]{1,40}+)(?![\w:])")
QUOTED = re.compile(r"""\"[^\"]*+\"|(?<![\w>])'[^']*+'|`[^`]*+`""")
HEX = re.compile(r"0[xX][0-9A-Fa-f]++|[0-9A-Fa-f]{8,}+")
NUMBER = re.compile(r"[+-]?[0-9]++(?:\.[0-9]++)?")
SPACES = re.compile(r"\s+")
DIGIT = re.compile(r"[0-9]")


def replace_ipv6(found: re.Match[str]) -> str:
    """An address of version 6 with a digit; names with colons, such as `ab::cd`, look like one."""
    text = (found[1] or found[2]).rstrip(".")
    try:
        IPv6Address(text)
    except AddressValueError:
        return found[0]
    return f"<ip>{(found[1] or found[2])[len(text) :]}" if DIGIT.search(text) else found[0]


def replace_hex(found: re.Match[str]) -> str:
    """A run of hexadecimal characters with a digit; words such as `defaced` are none."""
    return "<hex>" if DIGIT.search(found[0]) else found[0]


STEPS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str], tuple[str, int]], ...] = (
    (UUID, "<uuid>", ("-", 4)),
    (TIME, "<time>", (":", 1)),
    (URL, "<url>", ("://", 1)),
    (EMAIL, "<email>", ("@", 1)),
    (IPV4, "<ip>", (".", 3)),
    (IPV6, replace_ipv6, (":", 2)),
)
"""What is replaced first, each where the text holds so many of something: most texts then need no search."""


def shape_of(text: str) -> str:
    """The shape of a message."""
    for pattern, replacement, (mark, times) in STEPS:
        if text.count(mark) >= times:
            text = pattern.sub(replacement, text)
    text = QUOTED.sub("<str>", text)
    if DIGIT.search(text):
        text = NUMBER.sub("<num>", HEX.sub(replace_hex, text))
    return SPACES.sub(" ", text)[:MAX_SHAPE]
