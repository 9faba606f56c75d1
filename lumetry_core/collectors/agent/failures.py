"""What the failure of a call means to the collector, whatever carried the call."""


class RevokedError(Exception):
    """The product has voided the credential: the process ends; the text is for people."""


class CallError(Exception):
    """A call failed; the text is for people and holds no secret."""


class UnreachableError(CallError):
    """Nothing is wrong with the call: the same one may succeed later. `retry_after`: seconds that the server asks to wait, if it does."""

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class UnknownDictionaryError(UnreachableError):
    """The server does not know the numbers of series that a batch of columns uses; nothing of it was taken."""


class UnsupportedError(UnreachableError):
    """Whoever answered does not know the call: an older server, or something else at its address."""


class CredentialError(CallError):
    """The product itself says that the credential is unknown, used up or revoked. What a proxy on the way says is an UnreachableError."""


class ForbiddenError(CallError):
    """The product knows the credential and does not allow it this call."""


class AgentDisabledError(ForbiddenError):
    """The agent is disabled: it may send heartbeats and nothing else."""


class RelayRequiredError(ForbiddenError):
    """The agent must use the relay of the collector `collector_id`; empty when the answer does not name it."""

    def __init__(self, text: str, collector_id: str = "") -> None:
        super().__init__(text)
        self.collector_id = collector_id


class ConflictError(CallError):
    """The state of things forbids it and goes on to: a claim token that is used, a lease that has ended."""


class RejectedError(CallError):
    """The request itself is wrong and stays wrong."""
