import re

import pytest

from lumetry_core.files.mime import Refused, choose_type

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
TAR = b"notes.txt" + bytes(248) + b"ustar\x0000" + bytes(247)


@pytest.mark.parametrize(
    ("declared", "name", "head", "kept"),
    [
        ("text/plain; charset=utf-8", "a.txt", b"hello", "text/plain"),
        ("TEXT/CSV", "a", b"a,b\n", "text/csv"),
        ("application/json", "a", b'\xef\xbb\xbf {"a": 1}', "application/json"),
        ("application/xml", "a", b"<?xml version='1.0'?><!-- x --><list/>", "application/xml"),
        ("text/markdown", "a.md", b"<p align='center'>\n# Title", "text/markdown"),
        ("text/plain", "a", "größer \x1b[31mrot".encode(), "text/plain"),
        ("text/plain", "a", b"", "text/plain"),
        ("image/png", "a.exe", PNG, "image/png"),
        ("application/x-tar", "a", TAR, "application/x-tar"),
        ("application/vnd.tcpdump.pcap", "a", b"\xd4\xc3\xb2\xa1\x02", "application/vnd.tcpdump.pcap"),
        ("", "a.txt", PNG, "image/png"),
        ("application/octet-stream", "a", b"RIFF\x01\x02\x03\x04WEBPVP8 ", "image/webp"),
        ("application/octet-stream", "A.YML", b"a: 1", "application/yaml"),
        ("", "a.json", b"[1]", "application/json"),
        ("", "a.json", b"%!", "text/plain"),
        ("", "server.log", b"2026-06-01 started", "text/plain"),
        ("", "a.csv.gz", b"\x1f\x8b\x08", "application/gzip"),
    ],
)
def test_choose_type_keeps_what_is_allowed(declared: str, name: str, head: bytes, kept: str) -> None:
    """The declared type is kept when the bytes agree; without one the bytes tell, then the name."""
    assert choose_type(declared, name, head) == kept


@pytest.mark.parametrize(
    ("declared", "name", "head", "message"),
    [
        ("text/html", "a", b"x", "The type text/html is not allowed"),
        ("image/svg+xml", "a", b"<svg/>", "The type image/svg+xml is not allowed"),
        ("application/x-msdownload", "a", b"MZ", "The type application/x-msdownload is not allowed"),
        ("text/plain", "a", b"\xef\xbb\xbf \n<!DOCTYPE html><title>x", "HTML and SVG are not allowed"),
        ("text/plain", "a", b"<ScRiPt>alert(1)</script>", "HTML and SVG are not allowed"),
        ("text/xml", "a", b"<?xml version='1.0'?><!-- x --><!DOCTYPE svg PUBLIC 'x'><svg>", "HTML and SVG are not allowed"),
        ("application/xml", "a", b"<?xml version='1.0'?><x:html xmlns:x='http://www.w3.org/1999/xhtml'>", "HTML and SVG are not allowed"),
        ("application/xml", "a", b"<!DOCTYPE a [<!ENTITY x 'y'>]><svg onload='x'>", "HTML and SVG are not allowed"),
        ("", "a.txt", b"<svg/onload=alert(1)>", "HTML and SVG are not allowed"),
        ("text/plain", "a", b"#!/bin/sh\n", "Programs are not allowed"),
        ("", "a", b"\x7fELF\x02", "Programs are not allowed"),
        ("application/zip", "a.zip", b"MZ\x90", "Programs are not allowed"),
        ("", "page.html", b"plain words", "Files that end in .html are not allowed"),
        ("", "a.bin", bytes(range(256)), "The type of the bytes is not allowed"),
        ("image/png", "a.png", b"GIF89a", "The bytes are not of the type image/png"),
        ("image/png", "a.png", b"", "The bytes are not of the type image/png"),
        ("text/plain", "a", PNG, "The bytes are not of the type text/plain"),
        ("application/json", "a", b"words", "The bytes are not of the type application/json"),
        ("text/xml", "a", b"words", "The bytes are not of the type text/xml"),
    ],
)
def test_choose_type_refuses_what_is_not(declared: str, name: str, head: bytes, message: str) -> None:
    """Other types, bytes of another type, programs, and whatever a browser would run, however it is called or wrapped."""
    with pytest.raises(Refused, match=f"^{re.escape(message)}$"):
        choose_type(declared, name, head)


@pytest.mark.parametrize("head", [b"<!--" * 1000, b"<!doctype " * 400, b"<?" * 2000, b" " * 4096, b"<!doctype x [" + b" " * 4000])
def test_choose_type_ends_soon_whatever_it_is_given(head: bytes) -> None:
    """Beginnings made to be looked at for long are no trouble."""
    assert choose_type("text/plain", "a", head) == "text/plain"
