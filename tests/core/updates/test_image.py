import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.updates.image import ImageReference, find_digest, parse_image, read_registry

D = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nginx", ImageReference("docker.io", "library/nginx", "latest", "", "nginx")),
        ("nginx:1.27", ImageReference("docker.io", "library/nginx", "1.27", "", "nginx")),
        ("grafana/grafana:11", ImageReference("docker.io", "grafana/grafana", "11", "", "grafana/grafana")),
        ("docker.io/nginx:1", ImageReference("docker.io", "library/nginx", "1", "", "docker.io/nginx")),
        ("index.docker.io/library/nginx", ImageReference("docker.io", "library/nginx", "latest", "", "index.docker.io/library/nginx")),
        ("ghcr.io/acme/api:v2", ImageReference("ghcr.io", "acme/api", "v2", "", "ghcr.io/acme/api")),
        ("localhost/app", ImageReference("localhost", "app", "latest", "", "localhost/app")),
        ("127.0.0.1:5000/app", ImageReference("127.0.0.1:5000", "app", "latest", "", "127.0.0.1:5000/app")),
        ("[::1]:5000/a/b/c:x", ImageReference("[::1]:5000", "a/b/c", "x", "", "[::1]:5000/a/b/c")),
        (f"nginx@{D}", ImageReference("docker.io", "library/nginx", "", D, "nginx")),
        (f"nginx:1.27@{D}", ImageReference("docker.io", "library/nginx", "1.27", D, "nginx")),
        ("registry.example:443/app:1", ImageReference("registry.example:443", "app", "1", "", "registry.example:443/app")),
    ],
)
def test_read_references(text: str, expected: ImageReference) -> None:
    """References are read with their defaults."""
    assert parse_image(text) == expected


@pytest.mark.parametrize(
    "text", ["", ":", "UPPER", "a//b", "nginx:", "nginx:a b", "nginx@sha256:12", D, "ab" * 32, "-a", "a/../b", "x" * 2000]
)
def test_read_no_reference(text: str) -> None:
    """What names no image of a registry has no reference; neither has the id of an image on the host."""
    assert parse_image(text) is None


@given(st.text(max_size=60))
def test_read_any_text(text: str) -> None:
    """Whatever a container was made of is read without failing, and nothing that is read holds what an address must not hold."""
    reference = parse_image(text)
    if reference is not None:
        assert not set(reference.repository + reference.tag) & set(" ?#%&@\\")


def test_find_the_digest_that_runs() -> None:
    """Of the digests of an image on the host that of the same repository counts, however it is spelled."""
    reference = parse_image("nginx:1.27")
    assert reference is not None
    other = "sha256:" + "cd" * 32
    assert find_digest(reference, (f"ghcr.io/acme/nginx@{other}", f"docker.io/library/nginx@{D}")) == D
    assert find_digest(reference, ()) == ""


def test_read_names_of_registries() -> None:
    """Docker's registry has one name; a scheme and a slash at the end do not matter; what is no host is none."""
    names = ("registry-1.docker.io", "https://ghcr.io/", "Quay.IO", "a b", "")
    assert [read_registry(name) for name in names] == ["docker.io", "ghcr.io", "quay.io", "", ""]
