"""Image references as container tools read them."""

import re
from dataclasses import dataclass

DEFAULT_REGISTRY = "docker.io"
DEFAULT_NAMESPACE = "library"
DEFAULT_TAG = "latest"
REGISTRY_ALIASES = frozenset({"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})
MAX_REFERENCE = 1024

REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*", re.ASCII)
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII)
DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,128}", re.ASCII)
REGISTRY = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::[0-9]{1,5})?", re.ASCII)
IMAGE_ID = re.compile(r"(?:sha256:)?[0-9a-f]{12,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ImageReference:
    """Where an image comes from, its defaults filled in."""

    registry: str
    """Host, with its port when one is given; `docker.io` by default."""
    repository: str
    """`library/nginx` for `nginx`."""
    tag: str
    """Empty when only a digest is given."""
    digest: str
    """Empty when none is given."""
    short: str
    """The image as it was written, without tag and digest."""

    @property
    def name(self) -> str:
        """Registry and repository."""
        return f"{self.registry}/{self.repository}"


def parse_image(text: str) -> ImageReference | None:
    """Reads a reference such as `nginx:1.27` or `ghcr.io/acme/api@sha256:…`; None for what names no image of a registry."""
    if len(text) > MAX_REFERENCE or is_image_id(text):
        return None
    rest, at, digest = text.partition("@")
    if at and not DIGEST.fullmatch(digest):
        return None
    tag = ""
    head, colon, tail = rest.rpartition(":")
    if colon and "/" not in tail:
        if not TAG.fullmatch(tail):
            return None
        rest, tag = head, tail
    first, slash, path = rest.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        registry, repository = first, path
    else:
        registry, repository = DEFAULT_REGISTRY, rest
    registry = read_registry(registry)
    if registry == DEFAULT_REGISTRY and "/" not in repository:
        repository = f"{DEFAULT_NAMESPACE}/{repository}"
    if not registry or not REPOSITORY.fullmatch(repository):
        return None
    return ImageReference(registry, repository, tag or ("" if digest else DEFAULT_TAG), digest, rest)


def read_registry(text: str) -> str:
    """A registry's host as it is compared, one of its names for each; empty for what is no host."""
    host = text.strip().removeprefix("https://").removeprefix("http://").rstrip("/").lower()
    if host in REGISTRY_ALIASES:
        return DEFAULT_REGISTRY
    return host if REGISTRY.fullmatch(host) else ""


def is_image_id(text: str) -> bool:
    """Whether an image is named by its id on the host, which no registry knows."""
    return bool(IMAGE_ID.fullmatch(text)) and (text.startswith("sha256:") or len(text) == 64)


def find_digest(reference: ImageReference, known: tuple[str, ...]) -> str:
    """The digest under which a repository knows an image that lies on the host; empty when it does not.

    Args:
        known: Entries such as `nginx@sha256:…`, as the container runtime lists them.
    """
    if reference.digest:
        return reference.digest
    for entry in known:
        candidate = parse_image(entry)
        if candidate is not None and candidate.digest and candidate.name == reference.name:
            return candidate.digest
    return ""
