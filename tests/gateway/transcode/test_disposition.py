import pytest

from gateway.transcode.disposition import Disposition, read_disposition, write_disposition


@pytest.mark.parametrize(
    ("header", "read"),
    [
        ('form-data; name="file"; filename="a.txt"', Disposition("file", "a.txt")),
        ("FORM-DATA;name=file;filename=a.txt", Disposition("file", "a.txt")),
        ('form-data; name="a"', Disposition("a", None)),
        (r'form-data; name="file"; filename="a \"b\".txt"', Disposition("file", 'a "b".txt')),
        (r'form-data; name="file"; filename="C:\new\a.txt"', Disposition("file", r"C:\new\a.txt")),
        ('form-data; name="file"; filename="x"; filename*=UTF-8\'\'%E2%82%AC.txt', Disposition("file", "€.txt")),
        ('form-data; name="file"; filename="x"; filename*=latin1\'\'%E2', Disposition("file", "x")),
        ('form-data; name="file"; filename="\udcff.txt"', Disposition("file", "\ufffd.txt")),
        ('form-data; name="file"; filename="a;b=c"', Disposition("file", "a;b=c")),
        ('attachment; name="file"', None),
        ("form-data", None),
        ("", None),
    ],
)
def test_read_disposition_of_parts(header: str, read: Disposition | None) -> None:
    """Names are read as browsers and curl write them; what cannot be decoded is replaced."""
    assert read_disposition(header) == read


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a.txt", "attachment; filename=\"a.txt\"; filename*=UTF-8''a.txt"),
        ('a "b".txt', "attachment; filename=\"a _b_.txt\"; filename*=UTF-8''a%20%22b%22.txt"),
        ("€;x=y", "attachment; filename=\"_;x=y\"; filename*=UTF-8''%E2%82%AC%3Bx%3Dy"),
        ("%41\u202e\x7f", "attachment; filename=\"_41__\"; filename*=UTF-8''%2541%E2%80%AE%7F"),
    ],
)
def test_write_disposition_of_hostile_names(name: str, written: str) -> None:
    """No name ends its quotes, its parameter or its line."""
    assert write_disposition("attachment", name) == written
