"""Which bytes may be kept, and under which type: what is declared is compared with how the bytes begin (contract workspace 6)."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

HEAD_BYTES = 4096
"""How much of the beginning is looked at."""
TAR_MAGIC_AT = 257

TEXTS = frozenset({"text/plain", "text/csv", "text/markdown", "text/yaml", "application/yaml", "application/x-ndjson"})
"""Any text may be one of these."""
XML = frozenset({"text/xml", "application/xml"})
JSON = "application/json"
BINARIES = frozenset(
    {
        "application/pdf",
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "application/gzip",
        "application/zip",
        "application/zstd",
        "application/x-tar",
        "application/vnd.tcpdump.pcap",
    }
)
ALLOWED = frozenset({*TEXTS, *XML, JSON, *BINARIES})
GENERIC = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/unknown", "application/x-download"})
"""Types that say nothing."""
BY_ENDING: Mapping[str, str] = {
    ".csv": "text/csv",
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".json": JSON,
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".xml": "application/xml",
}
"""What a text is by the ending of its name; others are plain."""
REFUSED_ENDINGS = frozenset(
    {
        ".bat",
        ".cmd",
        ".com",
        ".hta",
        ".htm",
        ".html",
        ".js",
        ".mjs",
        ".ps1",
        ".sh",
        ".shtml",
        ".svg",
        ".svgz",
        ".vbs",
        ".wsf",
        ".xht",
        ".xhtml",
    }
)
"""What a text whose type nobody declares must not be called."""

SIGNATURES = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x1f\x8b", "application/gzip"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"PK\x07\x08", "application/zip"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"\xa1\xb2\xc3\xd4", "application/vnd.tcpdump.pcap"),
    (b"\xd4\xc3\xb2\xa1", "application/vnd.tcpdump.pcap"),
    (b"\xa1\xb2\x3c\x4d", "application/vnd.tcpdump.pcap"),
    (b"\x4d\x3c\xb2\xa1", "application/vnd.tcpdump.pcap"),
    (b"\n\r\r\n", "application/vnd.tcpdump.pcap"),
)
EXECUTABLES = (
    b"#!",
    b"MZ",
    b"\x7fELF",
    b"\0asm",
    b"\xca\xfe\xba\xbe",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
)
ACTIVE = frozenset({b"html", b"head", b"body", b"title", b"meta", b"style", b"script", b"iframe", b"object", b"embed", b"svg"})
"""The first elements of documents that a browser would run: HTML, XHTML, SVG."""
SKIPPED = ((b"<?", b"?>"), (b"<!--", b"-->"))
"""What may stand before the first element."""
DOCTYPE = b"<!doctype"
NAME = re.compile(rb"<(?:[\w.-]{1,64}:)?([a-z][a-z0-9]{0,63})(?=[\s/>]|$)")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
CONTROLS = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")
"""Bytes that no text holds; those that move the cursor, ring and colour it are left out."""
TEXT = "text"


class Refused(Exception):  # noqa: N818 -- an outcome
    """The bytes may not be kept; the message tells why."""


def choose_type(declared: str, name: str, head: bytes) -> str:
    """The type under which a file is kept.

    Args:
        declared: As the client says, with or without parameters.
        name: Of the file.
        head: The first `HEAD_BYTES`, or all when there are fewer.

    Raises:
        Refused: It is not kept.
    """
    wanted = declared.partition(";")[0].strip().lower()
    if wanted not in ALLOWED and wanted not in GENERIC:
        raise Refused(f"The type {wanted[:80]} is not allowed")
    if head.startswith(EXECUTABLES):
        raise Refused("Programs are not allowed")
    found = sniff(head)
    if found == TEXT and is_active(head):
        raise Refused("HTML and SVG are not allowed")
    if wanted in GENERIC:
        return find_type(found, name, head)
    if not fits(wanted, found, head):
        raise Refused(f"The bytes are not of the type {wanted}")
    return wanted


def sniff(head: bytes) -> str:
    """The type that the first bytes show, `TEXT` for any text; empty: unknown."""
    for signature, media_type in SIGNATURES:
        if head.startswith(signature):
            return media_type
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if head[TAR_MAGIC_AT : TAR_MAGIC_AT + 5] == b"ustar":
        return "application/x-tar"
    return "" if CONTROLS.search(head) else TEXT


def is_active(head: bytes) -> bool:
    """Whether a text begins like a document that a browser would run."""
    text = head.removeprefix(BYTE_ORDER_MARK).lower().lstrip()
    while text.startswith((*(opening for opening, _ in SKIPPED), DOCTYPE)):
        if text.startswith(DOCTYPE):
            named = re.match(rb"\s*([a-z]+)", text[len(DOCTYPE) :])
            if named is not None and named[1] in ACTIVE:
                return True
            closing = b"]>" if b"[" in text.partition(b">")[0] else b">"
        else:
            closing = next(closing for opening, closing in SKIPPED if text.startswith(opening))
        text = text.partition(closing)[2].lstrip()
    name = NAME.match(text)
    return name is not None and name[1] in ACTIVE


def fits(wanted: str, found: str, head: bytes) -> bool:
    """Whether bytes can be of a declared type that is allowed."""
    if wanted in BINARIES:
        return found == wanted
    if found != TEXT:
        return False
    beginning = head.removeprefix(BYTE_ORDER_MARK).lstrip()
    if wanted in XML:
        return beginning[:1] in (b"<", b"")
    if wanted == JSON:
        return beginning[:1] in JSON_BEGINNINGS
    return True


JSON_BEGINNINGS = frozenset(bytes([byte]) for byte in b'{["-0123456789tfn')


def find_type(found: str, name: str, head: bytes) -> str:
    """The type of bytes of which nobody says what they are: by themselves, then by the name.

    Raises:
        Refused: They are none that is allowed.
    """
    if found == "":
        raise Refused("The type of the bytes is not allowed")
    if found != TEXT:
        return found
    ending = PurePosixPath(name.lower()).suffix
    if ending in REFUSED_ENDINGS:
        raise Refused(f"Files that end in {ending} are not allowed")
    by_name = BY_ENDING.get(ending, "text/plain")
    return by_name if fits(by_name, found, head) else "text/plain"
