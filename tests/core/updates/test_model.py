import pytest

from lumetry_core.updates.commands import spell_rollback, spell_update
from lumetry_core.updates.image import parse_image
from lumetry_core.updates.model import (
    Check,
    Counts,
    Exclusion,
    PatternType,
    SkipReason,
    Target,
    Update,
    count_targets,
    find_skip_reason,
    subject_of,
)
from lumetry_core.updates.options import UpdateOptions, read_options
from lumetry_core.updates.tags import UpdateType
from tests.conftest import FakeClock

NOW = FakeClock().now()
DIGEST = "sha256:" + "ab" * 32


def target(image: str = "acme/api:1.0", number: int = 1, **changes: object) -> Target:
    """A running container."""
    fields: dict[str, object] = {
        "container_id": number,
        "external_id": f"id-{number}",
        "name": f"c{number}",
        "image": image,
        "reference": parse_image(image),
        "options": UpdateOptions(),
        "is_running": True,
        "is_ignored": False,
    }
    return Target(**fields | changes)  # type: ignore[arg-type]


def update(kind: UpdateType = UpdateType.MINOR, number: int = 1, risk: int = 50, digest: str | None = None) -> Update:
    """An update of `target()`."""
    return Update(number, 7, number, "acme/api", "1.0", digest, "1.1", None, kind, risk, NOW)


@pytest.mark.parametrize(
    ("image", "labels", "expected"),
    [
        ("acme/api:1.0", {}, None),
        ("nginx:1.27", {}, None),
        ("app", {}, SkipReason.LOCAL_IMAGE),
        ("app:latest", {}, SkipReason.LOCAL_IMAGE),
        ("app:latest", {"lumetry.update.registry": "registry.example"}, None),
        ("acme/app:latest", {}, None),
        (DIGEST, {}, SkipReason.LOCAL_IMAGE),
        (f"acme/api@{DIGEST}", {}, SkipReason.PINNED),
        (f"acme/api:1@{DIGEST}", {}, None),
        ("acme/api:1.0", {"lumetry.update.enabled": "false", "lumetry.update.pin": "true"}, SkipReason.DISABLED_BY_LABEL),
        ("acme/api:1.0", {"lumetry.update.pin": "true"}, SkipReason.PINNED),
    ],
)
def test_skip_containers(image: str, labels: dict[str, str], expected: SkipReason | None) -> None:
    """A scan passes over what was made on the host, what is switched off and what is pinned."""
    assert find_skip_reason(target(image, options=read_options(labels)), has_pin=False, exclusions=[]) is expected


@pytest.mark.parametrize(
    ("kind", "pattern", "expected"),
    [
        ("image", "nginx", True),
        ("image", "nginx:1.27", True),
        ("image", "docker.io/library/*", True),
        ("image", "library/nginx", True),
        ("image", "1.27", False),
        ("tag", "1.2?", True),
        ("tag", "nginx", False),
    ],
)
def test_exclude_containers(kind: str, pattern: str, expected: bool) -> None:
    """Image patterns are compared with every way to write the image, tag patterns with the tag that runs."""
    found = find_skip_reason(target("nginx:1.27"), has_pin=False, exclusions=[Exclusion(1, pattern, PatternType(kind), NOW)])
    assert (found is SkipReason.EXCLUDED) is expected


def test_count_each_container_once() -> None:
    """Every running container that is not ignored is in one count."""
    targets = [
        target(number=1),
        target(number=2),
        target(number=3),
        target(number=4),
        target(number=5),
        target(number=6),
        target("local", number=7),
        target(number=8, is_running=False),
        target(number=9, is_ignored=True),
    ]
    updates = {1: update(number=1, risk=85), 2: update(number=2, risk=31), 3: update(number=3, risk=30), 6: update(number=6)}
    checks = {4: Check(4, subject_of(targets[3]), None, NOW, None), 5: Check(5, subject_of(targets[4]), None, NOW, "refused")}
    counts = count_targets(targets, updates, checks, frozenset({6}), [])
    assert counts == Counts(critical=1, recommended=1, available=1, up_to_date=1, untracked=2, pinned=1)


def test_spell_commands() -> None:
    """Commands fit how the container is run; what containers name is quoted."""
    compose = target(unit="web")
    assert spell_update(compose, update()) == "docker compose pull web && docker compose up -d web"
    assert spell_rollback(compose, update()) == "docker pull acme/api:1.0 && docker compose up -d web"
    exact = f"acme/api@{DIGEST}"
    assert spell_rollback(compose, update(digest=DIGEST)) == (
        f"docker pull {exact} && docker tag {exact} acme/api:1.0 && docker compose up -d web"
    )
    assert spell_rollback(compose, update(UpdateType.DIGEST_ONLY)) is None
    hostile = target(unit="a; rm -rf /")
    assert spell_update(hostile, update()) == "docker compose pull 'a; rm -rf /' && docker compose up -d 'a; rm -rf /'"
    alone = target(name="web\nrm -rf /")
    assert "\nrm" not in spell_update(alone, update())
    pod = target(unit="web", runtime_type="kubernetes", namespace="shop", controller_kind="StatefulSet")
    assert spell_update(pod, update()) == "kubectl -n shop set image statefulset/web '*=acme/api:1.1'"
    assert spell_update(pod, update(UpdateType.DIGEST_ONLY)) == "kubectl -n shop rollout restart statefulset/web"
    assert spell_rollback(pod, update()) == "kubectl -n shop rollout undo statefulset/web"
