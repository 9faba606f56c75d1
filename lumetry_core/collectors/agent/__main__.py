"""`python -m lumetry_core.collectors.agent`: the collector without the rest of the product in memory."""

from lumetry_core.collectors.agent.command import run_command

run_command(prog_name="lumetry-collector")
