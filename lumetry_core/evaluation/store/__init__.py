"""Tables of evaluation and the statements on them."""
