"""The `lumetry` family: every path that no other family claims."""

from gateway.config import Config
from gateway.contracts.lumetry.errors import PROBLEM_TYPE, Problem, render
from gateway.contracts.lumetry.routes import ROUTES
from gateway.transcode.families import Family


def build_family(_config: Config) -> Family:
    """The family as configured."""
    return Family(name="lumetry", prefixes=("",), routes=ROUTES, render=render, problem=Problem, problem_type=PROBLEM_TYPE)
