"""Asks registries for one container after the other: at a measured pace, and nothing twice."""

from collections.abc import Awaitable, Callable

import structlog

from lumetry_core.updates.image import ImageReference
from lumetry_core.updates.model import Finding, Outcome, Target
from lumetry_core.updates.registry import Registries, RegistryError
from lumetry_core.updates.tags import TagRules, UpdateType, find_newest, parse_version

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 1.0
"""Between two images."""

Pause = Callable[[float], Awaitable[None]]


class Inquiry:
    """The questions of one scan. Answers for the image asked last are kept, so containers of one image cost one question."""

    def __init__(self, registries: Registries, pause: Pause) -> None:
        self._registries = registries
        self._pause = pause
        self._image: tuple[str, str] | None = None
        self._tags: list[str] | None = None
        self._digests: dict[str, str] = {}
        self._failure: RegistryError | None = None
        self._limited: dict[str, RegistryError] = {}

    async def ask(self, target: Target, baseline_digest: str | None) -> Outcome:
        """What the registry has for a container.

        Args:
            target: The container; its image has a reference.
            baseline_digest: What it runs; None when nobody knows.
        """
        reference = target.reference
        if reference is None:
            return Outcome(error="the image is not from a registry")
        registry = target.options.registry or reference.registry
        if registry in self._limited:
            return Outcome(baseline_digest=baseline_digest, error=self._limited[registry].message)
        await self._turn_to(registry, reference.repository)
        try:
            if self._failure is not None:
                raise self._failure
            finding = await self._find_version(target, reference)
            if finding is None:
                finding, baseline_digest = await self._compare_digest(target, reference, baseline_digest)
        except RegistryError as error:
            self._failure = error
            if error.is_limited:
                self._limited[registry] = error
            log.info("a registry did not answer", registry=registry, repository=reference.repository, error=error.message)
            return Outcome(baseline_digest=baseline_digest, error=error.message)
        return Outcome(finding, baseline_digest)

    async def _turn_to(self, registry: str, repository: str) -> None:
        if self._image == (registry, repository):
            return
        if self._image is not None:
            await self._pause(PAUSE_SECONDS)
        self._image, self._tags, self._digests, self._failure = (registry, repository), None, {}, None

    async def _find_version(self, target: Target, reference: ImageReference) -> Finding | None:
        options = target.options
        if options.digest_only or parse_version(reference.tag) is None or self._image is None:
            return None
        if options.track and not options.within:
            return None
        if self._tags is None:
            self._tags = await self._registries.list_tags(*self._image)
        rules = TagRules(options.tag_include, options.tag_exclude, options.ignores_major, options.within)
        newest = find_newest(reference.tag, self._tags, rules)
        if newest is None:
            return None
        tag, update_type = newest
        try:
            digest: str | None = await self._read_digest(tag)
        except RegistryError as error:
            if error.is_limited:
                raise
            digest = None  # it is newer all the same
        return Finding(tag, digest, update_type)

    async def _compare_digest(
        self, target: Target, reference: ImageReference, baseline_digest: str | None
    ) -> tuple[Finding | None, str | None]:
        """An update, if what the followed tag stands for is not what runs, and what runs as far as is known now."""
        options = target.options
        followed = options.track if options.track and not options.within else reference.tag
        digest = await self._read_digest(followed)
        if baseline_digest is None or baseline_digest == digest:
            return None, baseline_digest or digest
        update_type = UpdateType.DIGEST_ONLY if followed == reference.tag else UpdateType.UNKNOWN
        return Finding(followed, digest, update_type), baseline_digest

    async def _read_digest(self, tag: str) -> str:
        if tag not in self._digests and self._image is not None:
            self._digests[tag] = await self._registries.read_digest(*self._image, tag)
        return self._digests[tag]
