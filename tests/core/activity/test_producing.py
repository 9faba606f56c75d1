"""Every kind and action of the contract has a producer."""

import ast
from pathlib import Path

import lumetry_core
from lumetry_core.activity.from_audit import NOUNS
from lumetry_core.activity.model import ACTIONS
from lumetry_core.alerts.activity import DEEDS
from lumetry_core.incidents.activity import ACTION_OF

SWITCHED = {("rule", "disabled"), ("project", "archived"), ("agent", "enabled"), ("agent", "disabled")}
"""What `from_audit` reads from a change."""


def find_recorded() -> set[tuple[str, str]]:
    """Kinds and actions that stand, as words or members of enumerations, in one module that makes items."""
    found = set()
    for path in Path(lumetry_core.__file__).parent.rglob("*.py"):
        if "activity.model" not in path.read_text():
            continue
        tree = ast.parse(path.read_text())
        words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        words |= {node.attr.lower() for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        if path.name == "from_audit.py" or path.parent.name == "activity":
            continue
        found |= {(kind, action) for kind in ACTIONS.keys() & words for action in ACTIONS[kind] & words}
    return found


def test_every_action_has_a_producer() -> None:
    """The table of the contract is covered by audited actions, alerts, incidents, told events and what areas record themselves."""
    audited = {(noun.kind, action) for noun in NOUNS.values() for action in noun.actions.values()}
    produced = audited | SWITCHED | find_recorded()
    produced |= {("alert", action) for action in (*DEEDS, "escalated")} | {("incident", action) for action in ACTION_OF.values()}
    missing = {(kind, action) for kind, actions in ACTIONS.items() for action in actions} - produced
    assert missing == set()
