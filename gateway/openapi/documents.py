"""One document per family, and one of all of them in which no name of one family meets a name of another."""

import asyncio
from collections.abc import Mapping
from importlib import metadata, resources
from typing import Any

import msgspec

from gateway.transcode.families import Families, Family
from gateway.transcode.openapi import Examples, build_document

WHOLE = "all"
"""The key of the document of all families."""
TITLE = "Lumetry"
SCHEMAS = "#/components/schemas/"

examples_decoder = msgspec.json.Decoder(dict[str, Examples])


class Documents:
    """All documents. They are made when one of them is first asked for: that takes megabytes, and many gateways are never asked."""

    def __init__(self, families: Families) -> None:
        self._families = families
        self._made: Mapping[str, bytes] = {}
        self._making = asyncio.Lock()

    async def read(self, name: str) -> bytes:
        """A document as JSON: of a family by its name, or `WHOLE`. Other requests are served while it is made."""
        async with self._making:
            if not self._made:
                self._made = await asyncio.to_thread(build_documents, self._families)
        return self._made[name]


def build_documents(families: Families) -> Mapping[str, bytes]:
    """Every document as JSON: by the name of its family, and `WHOLE`."""
    version = metadata.version("lumetry")
    documents = {family.name: describe_family(family, version) for family in families.all}
    whole = merge(documents, version)
    return {name: msgspec.json.encode(document) for name, document in {**documents, WHOLE: whole}.items()}


def describe_family(family: Family, version: str) -> dict[str, Any]:
    """The document of one family."""
    return build_document(
        family.routes,
        title=f"{TITLE}: {family.name}",
        version=version,
        problem=family.problem,
        problem_type=family.problem_type,
        schemes=family.schemes,
        examples=read_examples(family.name),
    )


def read_examples(family: str) -> Mapping[str, Examples]:
    """The examples of a family's routes; a family without cases has none."""
    file = resources.files(__package__) / "examples" / f"{family}.json"
    return examples_decoder.decode(file.read_bytes()) if file.is_file() else {}


def merge(documents: Mapping[str, Mapping[str, Any]], version: str) -> dict[str, Any]:
    """All families in one document: types and ways of credentials carry the name of their family, operations tell it."""
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {}
    schemes: dict[str, Any] = {}
    tags: list[Mapping[str, Any]] = []
    for family, document in documents.items():
        components = document["components"]
        schemas |= {f"{family}.{name}": renamed(schema, family) for name, schema in components["schemas"].items()}
        schemes |= {f"{family}.{name}": scheme for name, scheme in components["securitySchemes"].items()}
        used: dict[str, None] = {}
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                security = operation.get("security", document["security"])
                used |= dict.fromkeys(operation["tags"])
                paths.setdefault(path, {})[method] = {
                    **renamed(operation, family),
                    "tags": [f"{family}: {tag}" for tag in operation["tags"]],
                    "security": [{f"{family}.{name}": scopes for name, scopes in way.items()} for way in security],
                    "x-family": family,
                }
        tags += [{"name": f"{family}: {tag}"} for tag in used]
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": version},
        "tags": tags,
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": schemes},
    }


def renamed(part: Any, family: str) -> Any:  # noqa: ANN401 -- any part of a document
    """A part of a document whose references name the types of their family. Examples are left as they are."""
    if isinstance(part, list):
        return [renamed(each, family) for each in part]
    if not isinstance(part, dict):
        return part
    changed = {key: value if key in ("example", "examples") else renamed(value, family) for key, value in part.items()}
    if isinstance(part.get("properties"), dict):  # whose keys are names of fields, whatever they are
        changed["properties"] = {name: renamed(schema, family) for name, schema in part["properties"].items()}
    reference = part.get("$ref")
    if isinstance(reference, str):
        changed["$ref"] = rename(reference, family)
    if isinstance(part.get("discriminator"), dict):
        mapping = part["discriminator"].get("mapping", {})
        changed["discriminator"] = {**part["discriminator"], "mapping": {tag: rename(name, family) for tag, name in mapping.items()}}
    return changed


def rename(reference: str, family: str) -> str:
    """A reference to a type of a family."""
    return f"{SCHEMAS}{family}.{reference.removeprefix(SCHEMAS)}"
