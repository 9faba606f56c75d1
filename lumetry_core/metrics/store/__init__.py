"""Tables of metrics and the statements on them."""
