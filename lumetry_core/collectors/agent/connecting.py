"""The transport that fits an address."""

from lumetry_core.collectors.agent.address import Target
from lumetry_core.collectors.agent.transport import Transport


def open_transport(target: Target) -> Transport:
    """A way to the target. Only its own library is loaded: both together would take half of the memory that a collector may have."""
    if target.is_http:
        from lumetry_core.collectors.agent.http_transport import HttpTransport  # noqa: PLC0415 -- see the docstring

        return HttpTransport(target)
    from lumetry_core.collectors.agent.grpc_transport import GrpcTransport  # noqa: PLC0415 -- see the docstring

    return GrpcTransport(target)
