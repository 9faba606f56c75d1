"""The OpenAPI documents of all families. `examples/` is generated from the contract's cases; see `tests/contract/examples.py`."""
