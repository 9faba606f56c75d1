import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from lumetry_core.runtime.logging import configure_logging


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where lines go; the process's own logging comes back afterwards."""
    root = logging.getLogger()
    handlers, level, alembic = root.handlers[:], root.level, logging.getLogger("alembic").level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("alembic").setLevel(alembic)
    structlog.reset_defaults()


def test_configure_logging_writes_one_json_object_per_event(stream: io.StringIO) -> None:
    """Events of structlog and of the standard library have the same shape; what is below the level is dropped."""
    configure_logging("info", stream)
    structlog.get_logger("lumetry").info("accepted\nbatch", points=3)
    structlog.get_logger("lumetry").debug("detail")
    logging.getLogger("library").warning("slow: %s", "disk")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [{key: line[key] for key in ("event", "level")} for line in lines] == [
        {"event": "accepted\nbatch", "level": "info"},
        {"event": "slow: disk", "level": "warning"},
    ]
    assert lines[0]["points"] == 3
    assert all(line["time"].endswith("Z") for line in lines)


def test_configure_logging_shows_where_a_failure_came_from(stream: io.StringIO) -> None:
    """A logged exception carries its traceback as text."""
    configure_logging("INFO", stream)
    try:
        json.loads("no JSON")
    except ValueError:
        structlog.get_logger("lumetry").exception("failed")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"]) == ("failed", "error")
    assert "JSONDecodeError" in line["exception"]
