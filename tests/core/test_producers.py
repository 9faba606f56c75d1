"""Events and those who tell them: `lumetry_core.producers`."""

import ast
from pathlib import Path

import pytest

import lumetry_core
from lumetry_core.producers import PRODUCED, require_producers

ROOT = Path(lumetry_core.__file__).parent


def find_texts(area: str) -> set[str]:
    """All texts in the code of an area, but those that only declare its events."""
    found = set()
    for path in (ROOT / area).rglob("*.py"):
        tree = ast.parse(path.read_text())
        declared = [
            node
            for node in tree.body
            if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == "EVENTS" for target in node.targets)
        ]
        tree.body = [node for node in tree.body if node not in declared]
        found |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return found


def test_every_documented_event_has_a_producer() -> None:
    """And every produced one is documented."""
    require_producers()


@pytest.mark.parametrize("area", sorted(PRODUCED))
def test_areas_tell_what_they_declare(area: str) -> None:
    """Each declared event is named by the code of its area somewhere else than in the declaration."""
    assert PRODUCED[area] - find_texts(area) == set()
