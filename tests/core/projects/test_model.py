from datetime import UTC, datetime

import pytest

from lumetry_core.projects.model import (
    LogSettings,
    Project,
    Settings,
    Visibility,
    document_of,
    free_slug,
    is_slug,
    sees,
    settings_of,
    slug_of,
)

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("a", True),
        ("web-shop-2", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("", False),
        ("-a", False),
        ("a-", False),
        ("Web", False),
        ("a_b", False),
        ("a\n", False),
    ],
)
def test_is_slug_of_letters_digits_and_inner_hyphens(text: str, valid: bool) -> None:
    """One to 64 lower-case letters and digits, hyphens between them."""
    assert is_slug(text) is valid


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Web Shop", "web-shop"),
        ("  Crème  brûlée! ", "creme-brulee"),
        ("???", "project"),
        ("日本", "project"),
        ("x" * 63 + " yz", "x" * 63),
    ],
)
def test_slug_of_a_name_keeps_letters_and_digits(name: str, slug: str) -> None:
    """Accents go, everything else becomes one hyphen, and nothing usable makes the fallback."""
    assert slug_of(name) == slug
    assert is_slug(slug)


@pytest.mark.parametrize(
    ("wanted", "taken", "slug"),
    [
        ("web", set(), "web"),
        ("web", {"web"}, "web-2"),
        ("web", {"web", "web-2", "web-4"}, "web-3"),
        ("w" * 64, {"w" * 64}, "w" * 62 + "-2"),
    ],
)
def test_free_slug_counts_up(wanted: str, taken: set[str], slug: str) -> None:
    """The first number that is free is taken; a long slug makes room for it."""
    assert free_slug(wanted, taken) == slug


@pytest.mark.parametrize(
    ("visibility", "user_id", "seen"), [("team", 4, True), ("private", 4, False), ("private", 3, True), ("private", None, False)]
)
def test_sees_a_private_project_as_owner_only(visibility: str, user_id: int | None, seen: bool) -> None:
    """Those of the team are seen by everybody, private ones by their owner."""
    project = Project(7, "p", "web", "Web", NOW, NOW, owner_id=3, visibility=Visibility(visibility))
    assert sees(project, user_id) is seen


def test_sees_no_private_project_without_owner() -> None:
    """A caller without a user is not the owner of a project without one."""
    assert not sees(Project(7, "p", "web", "Web", NOW, NOW, visibility=Visibility.PRIVATE), None)


def test_settings_of_a_document_read_the_known_part() -> None:
    """The log settings are typed, other keys stay as they are, and the document tells both."""
    settings = settings_of({"theme": {"dark": True}, "logs": {"scrubEmails": True, "retentionDays": 9, "unknown": 1}})
    assert settings == Settings(LogSettings(scrub_emails=True, retention_days=9), {"theme": {"dark": True}})
    assert document_of(settings) == {
        "theme": {"dark": True},
        "logs": {"allowPrivacyMode": False, "scrubEmails": True, "scrubNationalIds": False, "retentionDays": 9},
    }
    assert settings_of(document_of(settings)) == settings


def test_document_of_usual_settings_leaves_the_retention_to_the_deployment() -> None:
    """A retention that was not set is absent."""
    assert document_of(Settings()) == {"logs": {"allowPrivacyMode": False, "scrubEmails": False, "scrubNationalIds": False}}
