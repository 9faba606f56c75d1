"""The JSON body of a Zabbix webhook: one event. Macros expand to text, so that numbers may come as either."""

from collections.abc import Mapping
from typing import Any

from lumetry_core.external.model import Transition, TransitionState
from lumetry_core.external.providers.reading import MAX_DESCRIPTION, MAX_KEY, MAX_TITLE, cut, read_text
from lumetry_core.external.times import LAST_SECOND
from lumetry_core.runtime.errors import Faults

STATES = {"1": TransitionState.FIRING, "0": TransitionState.RESOLVED}
CLOCK_DIGITS = 12


def read_zabbix(data: Mapping[str, Any], faults: Faults) -> list[Transition]:
    """The transition of a body."""
    value = read_scalar(data, "value", faults)
    faults.check(value is None or value in STATES, "value", f"must be one of {', '.join(STATES)}")
    return [
        Transition(
            definition_key=read_scalar(data, "triggerId", faults) or "",
            instance_key=read_scalar(data, "hostId", faults, needed=False),
            occurrence_key=read_scalar(data, "eventId", faults) or "",
            event_id=None,
            state=STATES.get(value or "", TransitionState.FIRING),
            severity=read_scalar(data, "severity", faults, needed=False),
            title=cut(read_text(data, "name", "", faults), MAX_TITLE),
            description=cut(read_text(data, "opdata", "", faults), MAX_DESCRIPTION),
            occurred_ms=read_clock(data, faults),
            labels={},
        )
    ]


def read_scalar(data: Mapping[str, Any], name: str, faults: Faults, *, needed: bool = True) -> str | None:
    """A text or a whole number, as text."""
    raw = data.get(name)
    if isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) < 2**63:
        raw = str(raw)
    if raw is None or (isinstance(raw, str) and not raw.strip()):
        faults.check(not needed, name, "is required")
    elif not isinstance(raw, str):
        faults.add(name, "must be a string or a whole number")
    else:
        return read_text({name: raw.strip()}, name, "", faults, MAX_KEY)
    return None


def read_clock(data: Mapping[str, Any], faults: Faults) -> int:
    """Unix seconds, in milliseconds."""
    text = read_scalar(data, "clock", faults)
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= CLOCK_DIGITS and int(text) <= LAST_SECOND):
        faults.add("clock", "must be a Unix time in seconds")
        return 0
    return int(text) * 1000
