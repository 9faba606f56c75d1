"""What is done to a deployment's data around its processes: making it, migrating it, replacing it by a backup."""

from pathlib import Path

from lumetry_core.backup import BackupError, restore
from lumetry_core.config import Config
from lumetry_core.migrations.revision import newest_revision
from lumetry_core.migrations.run import upgrade
from lumetry_core.supervisor import lock


def prepare(config: Config) -> str:
    """Makes the data directory and brings the database to the newest schema; tells its revision."""
    config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    upgrade(config.effective_database_url)
    return newest_revision()


def restore_backup(config: Config, file: Path) -> None:
    """Replaces the database by a backup and migrates it.

    Raises:
        BackupError: A server runs on the data directory, or the backup cannot be used.
    """
    config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock(config.data_dir, "serve") as free, lock(config.data_dir, "core") as idle:
        if not (free and idle):
            raise BackupError(f"A server runs on {config.data_dir}; stop it first.")
        restore(config.effective_database_url, file)
    prepare(config)
