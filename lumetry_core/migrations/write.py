"""`python -m lumetry_core.migrations.write MESSAGE`: drafts the next migration from the difference between tables and schema."""

import subprocess
import sys
import tempfile
from pathlib import Path

from lumetry_core.migrations.run import FOLDER, autogenerate, upgrade


def main() -> None:
    """Migrates an empty database, compares it with the tables and writes the numbered draft, formatted."""
    message = " ".join(sys.argv[1:]) or "schema"
    number = f"{len(list((FOLDER / 'versions').glob('[0-9]*.py'))) + 1:04}"
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'empty.db'}"
        upgrade(url)
        autogenerate(url, message, number)
    ruff = str(Path(sys.executable).parent / "ruff")
    subprocess.run([ruff, "check", "--fix", "--quiet", str(FOLDER / "versions")], check=False)  # noqa: S603
    subprocess.run([ruff, "format", "--quiet", str(FOLDER / "versions")], check=True)  # noqa: S603


if __name__ == "__main__":
    main()
