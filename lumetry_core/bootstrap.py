"""What a deployment needs before its first call: an administrator and the inbox's partitions."""

import os
from datetime import datetime
from pathlib import Path

from lumetry_core.access.service.organizations import bootstrap
from lumetry_core.baselines.service.profiles import settle_defaults
from lumetry_core.config import Config
from lumetry_core.metrics.service.inbox import ensure_partitions
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.identifiers import new_secret


def admin_password_file(data_dir: Path) -> Path:
    """Where a password made at the first start is written."""
    return data_dir / "admin-password"


async def bootstrap_deployment(database: Database, config: Config, now: datetime) -> None:
    """Makes what is missing; later calls change nothing.

    Without a configured password a random one is made and is readable by the operator alone, before the user exists.
    """
    async with database.write() as tx:
        password = config.admin_password or new_secret("")
        if await bootstrap(tx, now, password) is not None and not config.admin_password:
            write_secret(admin_password_file(config.data_dir), password)
        await ensure_partitions(tx)
        await settle_defaults(tx, now)


def write_secret(path: Path, secret: str) -> None:
    """Writes a file that only its owner can read, durably."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
