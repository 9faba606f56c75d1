"""The `logs` family: pushing log entries, searching them, and the keys of both (contract logs)."""
