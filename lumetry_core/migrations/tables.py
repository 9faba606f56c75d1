"""All tables of the product: importing the stores registers them."""

import importlib
import pkgutil
from pathlib import Path

from lumetry_core.runtime import events, queue, status
from lumetry_core.runtime.database import metadata

__all__ = ["events", "metadata", "queue", "status"]

ROOT = Path(__file__).resolve().parent.parent


def import_stores() -> None:
    """Imports the store (a module or a package of modules) of every area."""
    for area in sorted(entry.name for entry in ROOT.iterdir() if entry.is_dir()):
        store = ROOT / area / "store"
        if store.is_dir():
            for module in pkgutil.iter_modules([str(store)]):
                importlib.import_module(f"lumetry_core.{area}.store.{module.name}")
        elif store.with_suffix(".py").exists():
            importlib.import_module(f"lumetry_core.{area}.store")


import_stores()
