"""Reads a webhook's body: bytes to transitions, or every fault by its path."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from lumetry_core.external.model import MAX_BODY_BYTES, ProviderType, Transition
from lumetry_core.external.providers.generic import read_generic
from lumetry_core.external.providers.prometheus import read_alertmanager, read_grafana
from lumetry_core.external.providers.zabbix import read_zabbix
from lumetry_core.runtime.errors import Faults, LumetryError, Reason

READERS: Mapping[ProviderType, Callable[[Mapping[str, Any], Faults], list[Transition]]] = {
    ProviderType.GENERIC: read_generic,
    ProviderType.ALERTMANAGER: read_alertmanager,
    ProviderType.GRAFANA: read_grafana,
    ProviderType.ZABBIX: read_zabbix,
}

decoder = msgspec.json.Decoder()


def read_body(provider: ProviderType, body: bytes) -> list[Transition]:
    """The transitions of a body, in its order. Fails with PAYLOAD_TOO_LARGE, MALFORMED_BODY, VALIDATION_FAILED."""
    if len(body) > MAX_BODY_BYTES:
        raise too_large()
    try:
        data = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LumetryError(Reason.MALFORMED_BODY, f"The body is not valid JSON: {error}.") from error
    except RecursionError as error:
        raise LumetryError(Reason.MALFORMED_BODY, "The body is nested too deeply.") from error
    faults = Faults()
    if not isinstance(data, dict):
        faults.add("", "must be a JSON object")
        faults.raise_if_any()
    transitions = READERS[provider](data, faults)
    faults.raise_if_any()
    return transitions


def too_large() -> LumetryError:
    """The failure of a body above the limit."""
    return LumetryError(Reason.PAYLOAD_TOO_LARGE, f"The body is larger than {MAX_BODY_BYTES} bytes.", limit_bytes=str(MAX_BODY_BYTES))
