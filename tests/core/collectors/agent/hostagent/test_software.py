"""What software executables tell of."""

from lumetry_core.collectors.agent.hostagent.software import detect_software, list_software


def test_detect_software_of_executables() -> None:
    """Known executables tell of their software in any letter case, with a version behind some; others tell nothing."""
    assert detect_software(["nginx", "bash", "MYSQLD", "mariadbd", "postgres", "php-fpm8.2", "nginx-helper"]) == {
        "nginx",
        "mysql",
        "postgres",
        "php-fpm",
    }


def test_list_software_within_its_limit() -> None:
    """A heartbeat names software ascending, and no more than it may."""
    assert list_software({"redis", "nginx", "mysql"}, limit=2) == ["mysql", "nginx"]
